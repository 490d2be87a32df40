// The tabs, in their order. Each has an `id`, whose name is the sentence "tab.ID", and `create({retitle})`, which gives
//   mount(panel)             puts the tab's elements into its panel
//   show(state, library)     brings them up to date, after each change of the state or, in an empty library, of that
//   title(state)             for the browser's title, "" for the tab's name; `retitle()` asks for it again
//   focus(), refresh(state, library)  where one begins; ask anew. These and `title` may lack.
import { createClipInput } from "./clips.js";
import { el } from "./dom.js";
import { t } from "./i18n.js";
import { mapTab } from "./map.js";
import { searchTab } from "./search.js";
import { createSimilar } from "./similar.js";
import { tagTab } from "./tag.js";

const listenTab = {
  id: "listen",
  create({ retitle }) {
    const clip = createClipInput("clip-listen", { like: "", but: "", minus: "" });
    const similar = createSimilar(retitle);
    const hint = el("p", { class: "kz-note" }, t("similar.hint"));
    return {
      mount: (panel) => panel.append(clip.element, hint, similar.element),
      show(state, library) {
        clip.show(state.like ? "" : state.clip, Boolean(state.like || state.clip));
        hint.hidden = Boolean(state.like || state.clip);
        return similar.show(state, library);
      },
      title: () => similar.title(),
    };
  },
};

export const TABS = [searchTab, listenTab, tagTab, mapTab];
