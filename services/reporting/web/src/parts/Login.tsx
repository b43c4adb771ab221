import { useState } from "preact/hooks";
import { enter, refused } from "../api";
import { t } from "../words";

/** Nothing but what a key is made of goes into a header. */
const KEY = /^[\x21-\x7e]+$/;

export function Login() {
  const [text, setText] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    const given = text.trim();
    if (KEY.test(given)) enter(given);
    else refused.value = t("login.shape");
  };
  return (
    <main class="login" tabIndex={-1}>
      <h1>{t("title")}</h1>
      <p>{t("login.what")}</p>
      <form onSubmit={submit}>
        <label for="key">{t("login.key")}</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          value={text}
          aria-describedby="key-hint"
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <p id="key-hint" class="hint">
          {t("login.hint")}
        </p>
        {refused.value && (
          <p class="refusal" role="alert">
            {refused.value}
          </p>
        )}
        <button type="submit" class="main">
          {t("login.enter")}
        </button>
      </form>
      <p class="hint">
        {t("login.public")} <a href="/v1/public/status">{t("login.status")}</a>
      </p>
    </main>
  );
}
