import { render } from "preact";
import { useEffect } from "preact/hooks";
import { key, listen } from "./api";
import { AuditPage } from "./pages/AuditPage";
import { BulletinsPage } from "./pages/BulletinsPage";
import { CasePage } from "./pages/CasePage";
import { CasesPage } from "./pages/CasesPage";
import { OverviewPage } from "./pages/OverviewPage";
import { ScreenPage } from "./pages/ScreenPage";
import { SystemPage } from "./pages/SystemPage";
import { UnitsPage } from "./pages/UnitsPage";
import { Login } from "./parts/Login";
import { Language, Shell } from "./parts/Shell";
import { openForPrint } from "./paper";
import { followLinks, lang, path, size } from "./place";
import "./styles/base.css";
import "./styles/screen.css";
import "./styles/print.css";
import { t } from "./words";

function Page() {
  const [, first, second] = path.value.split("/");
  switch (first) {
    case "cases":
      return second ? <CasePage name={decoded(second)} /> : <CasesPage />;
    case "units":
      return <UnitsPage />;
    case "bulletins":
      return <BulletinsPage />;
    case "audit":
      return <AuditPage />;
    case "system":
      return <SystemPage />;
    default:
      return <OverviewPage />;
  }
}

/** A part of the address; one that is misspelt names nothing, and the page says so. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function App() {
  const language = lang.value;
  const letters = size.value;
  useEffect(() => {
    document.documentElement.style.fontSize = letters === 100 ? "" : `${letters}%`;
  }, [letters]);
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = t("title");
  }, [language]);
  if (!key.value) {
    return (
      <>
        <header class="top bare">
          <Language />
        </header>
        <Login />
      </>
    );
  }
  if (path.value === "/screen") return <ScreenPage />;
  return (
    <Shell>
      <Page />
    </Shell>
  );
}

followLinks();
openForPrint();
listen();
render(<App />, document.getElementById("page")!);
