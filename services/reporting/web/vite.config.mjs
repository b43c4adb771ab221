import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { defineConfig } from "vite";

const HERE = import.meta.dirname;
const FILES = [".npmrc", "index.html", "package-lock.json", "package.json", "tsconfig.json", "vite.config.mjs"];

/** Every source of the build by its path, in one order on every machine. */
function sources() {
  const inside = readdirSync(join(HERE, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(HERE, join(entry.parentPath, entry.name)).split(sep).join("/"));
  return [...FILES, ...inside].sort((a, b) => (a < b ? -1 : 1));
}

/** Whose work the build contains: the licences ask that their texts go along. */
const CONTAINED = ["@preact/signals", "@preact/signals-core", "echarts", "preact", "tslib", "zrender"];

function licences() {
  return {
    name: "licences",
    apply: "build",
    closeBundle() {
      const texts = CONTAINED.flatMap((name) => {
        const folder = join(HERE, "node_modules", name);
        const files = readdirSync(folder, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile() && /^(licen[cs]e|notice|copyright)/i.test(entry.name))
          .map((entry) => join(entry.parentPath, entry.name))
          .filter((file) => !relative(folder, file).includes("node_modules"));
        return files.sort().map((file) => `${name}: ${relative(folder, file)}\n\n${readFileSync(file, "utf8").trim()}\n`);
      });
      writeFileSync(join(HERE, "dist", "licences.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
    },
  };
}

/**
 * Leaves beside the build what it was made of. tests/reporting/test_web.py computes the same, so
 * that a change of the sources without `make web` does not go unseen.
 */
function stamp() {
  return {
    name: "stamp",
    apply: "build",
    closeBundle() {
      const whole = createHash("sha256");
      for (const name of sources()) {
        const content = createHash("sha256").update(readFileSync(join(HERE, name))).digest("hex");
        whole.update(`${content}  ${name}\n`);
      }
      writeFileSync(join(HERE, "dist", "sources.sha256"), `${whole.digest("hex")}\n`);
    },
  };
}

const api = process.env.QINGQIAN_WEB_API ?? "http://127.0.0.1:8104";

export default defineConfig({
  root: HERE,
  plugins: [licences(), stamp()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    reportCompressedSize: true,
  },
  // `npm run dev` asks a running reporting for its data.
  server: {
    proxy: Object.fromEntries(["/v1", "/readyz", "/metrics"].map((path) => [path, api])),
  },
});
