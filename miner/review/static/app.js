// The reader's way through the queue: fetch, show, go on, save, and say what is wrong.
import { Refused, getJson, postJson } from "./api.js";
import { Clock } from "./clock.js";
import { Desk } from "./desk.js";
import { byId, el, key } from "./dom.js";
import { Hand } from "./hand.js";
import { makeHelp } from "./keys.js";
import { valueOf } from "./review.js";
import { Saves } from "./saves.js";
import { Shelf } from "./shelf.js";
import { AXES } from "./words.js";

const PAUSE_MS = 1_500;
const LOOK_MS = 20_000;
const FIELD_NAMES = { verdict: "a verdict", ...Object.fromEntries(AXES.map((axis) => [axis.field, axis.label])) };

class App {
  #shelf = new Shelf();
  #clock = new Clock();
  #places = [];
  #turn = 0;
  #waiting = 0;
  #saves;

  constructor() {
    this.#saves = new Saves((position, body) => postJson(`items/${position}`, body), {
      state: (what, count, sentence) => this.#tellSaved(what, count, sentence),
      saved: (position, reply, isLast) => this.#saved(position, reply, isLast),
      conflict: (position, refusal, changes) => this.#conflict(position, refusal, changes),
      refused: (position, refusal) => this.#refused(position, refusal),
    });
    this.desk = new Desk({
      changed: (field, old, value) => this.#changed(field, old, value),
      finish: () => this.finish(),
      say: (sentence) => this.say(sentence),
    });
    this.help = makeHelp();
    this.hand = new Hand(this);
    addEventListener("online", () => this.#saves.retry());
    addEventListener("pagehide", () => this.desk.item && this.desk.judge.commit());
    addEventListener("beforeunload", (event) => {
      if (this.desk.item) this.desk.judge.commit();
      if (this.#saves.unsaved) event.preventDefault();
    });
    addEventListener("hashchange", () => this.#follow());
  }

  async start() {
    const queue = await this.#patiently(() => getJson("queue"));
    if (queue === null) return;
    this.#places = queue.places;
    if (!this.#places.some((place) => place.done) && this.#places.length) this.help.showModal();
    const wanted = this.#asked() ?? queue.next ?? this.#open(0);
    if (wanted) await this.go(wanted);
    else this.#end();
  }

  /** Show the item at a position, and fetch the one that will follow it. */
  async go(position) {
    if (this.desk.item) this.desk.judge.commit();
    const began = performance.now();
    this.#turn += 1;
    const turn = this.#turn;
    const loaded = await this.#patiently(() => this.#shelf.get(position), () => turn === this.#turn);
    if (loaded === null || turn !== this.#turn) return;
    byId("desk").hidden = false;
    byId("end").hidden = true;
    this.#clearNotice();
    const drawn = this.desk.show(position, loaded);
    this.#clock.turnTo(position);
    this.#tellPlace();
    history.replaceState(null, "", `#${position}`);
    this.hand.start(true);
    this.say(`Item ${position} of ${this.#places.length}. ${byId("question").textContent}`);
    await drawn;
    requestAnimationFrame(() => performance.measure("item shown", { start: began, detail: position }));
    const following = this.#open(position);
    if (following && following !== position && turn === this.#turn) this.#shelf.get(following).catch(() => {});
  }

  /** Mark the item as done and go on; where something is lacking, say what and go there. */
  async finish() {
    const { desk } = this;
    const field = desk.finish();
    if (field !== null) {
      this.say(`Still lacking: ${FIELD_NAMES[field.replace("final.", "")]}. Or say that you cannot judge it (X).`);
      this.hand.goTo(field);
      return;
    }
    if (desk.awaitsMore) await this.#more(desk.position);
    else this.next();
  }

  // What others said, or feedback, comes only when the own word is saved.
  async #more(position) {
    this.say("Saving your scores; then the rest is shown.");
    if (!(await this.#saves.settled())) return;
    if (this.desk.position !== position) return;
    this.#shelf.forget(position);
    await this.go(position);
    if (this.desk.position === position && this.desk.awaitsMore) this.next();
  }

  next() {
    const place = this.#places.find((one) => one.position === this.desk.position);
    if (place && this.desk.isFinished) place.done = true;
    const following = this.#open(this.desk.position ?? 0);
    if (following) this.go(following);
    else this.#end();
  }

  /** Go to a neighbour, done or not. */
  step(by) {
    const at = this.#places.findIndex((place) => place.position === this.desk.position);
    const place = this.#places[at + by];
    if (place) this.go(place.position);
    else this.say(by > 0 ? "This is the last item." : "This is the first item.");
  }

  say(sentence) {
    byId("said").textContent = sentence;
  }

  #open(after) {
    const open = this.#places.filter((place) => !place.done && place.position !== this.desk.position).map((place) => place.position);
    return open.find((position) => position > after) ?? open[0] ?? null;
  }

  #asked() {
    const position = Number(location.hash.slice(1));
    return this.#places.some((place) => place.position === position) ? position : null;
  }

  #follow() {
    const asked = this.#asked();
    if (asked && asked !== this.desk.position) this.go(asked);
  }

  async #end() {
    await this.#saves.settled();
    const queue = await this.#patiently(() => getJson("queue"));
    if (queue === null) return;
    this.#places = queue.places;
    // An adjudication may have come meanwhile.
    const left = this.#open(this.desk.position ?? 0);
    if (left) {
      await this.go(left);
      return;
    }
    this.#tellPlace();
    byId("desk").hidden = true;
    byId("end").hidden = false;
    byId("end").focus();
    const count = this.#places.length;
    byId("end-said").textContent = count
      ? `${count === 1 ? "The one item is" : `All ${count} items are`} done and saved. You may close this page, or go back with <.`
      : "There is nothing to read for you now. What comes for you appears here by itself.";
    // Two readers who differ may ask for this one at any time.
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => byId("end").hidden || this.#end(), LOOK_MS);
  }

  // Changes

  #changed(field, old, value) {
    const { position } = this.desk;
    this.#saves.add(position, field, old, value, this.#clock.take(position));
  }

  #saved(position, reply, isLast) {
    const place = this.#places.find((one) => one.position === position);
    if (place && isLast) place.done = this.desk.position === position ? this.desk.isFinished : place.done;
    this.#tellPlace();
    if (reply.of > this.#places.length) this.#renew();
  }

  async #renew() {
    const queue = await getJson("queue").catch(() => null);
    if (queue) this.#places = queue.places;
    this.#tellPlace();
  }

  async #conflict(position, refusal, changes) {
    this.#shelf.forget(position);
    if (this.desk.position !== position) return;
    const loaded = await this.#shelf.get(position).catch(() => null);
    if (this.desk.position !== position) return;
    if (loaded?.item.stale) {
      await this.go(position);
      this.notice(refusal.message);
      return;
    }
    const mine = new Map(changes.map((change) => [change.field, change.new]));
    if (refusal.state) this.desk.take(refusal.state);
    const differ = [...mine].filter(([field, value]) => JSON.stringify(valueOf(this.desk.item.state, field)) !== JSON.stringify(value));
    const again = () => {
      this.#clearNotice();
      for (const [field, value] of differ) this.desk.change(field, value);
    };
    this.notice(refusal.message, refusal.state && differ.length ? el("button", { type: "button", on: { click: again } }, "Put back what I entered here") : null);
  }

  // What the server will not have is not done, and is shown as the server holds it when the reader comes back to it.
  #refused(position, refusal) {
    this.#shelf.forget(position);
    const place = this.#places.find((one) => one.position === position);
    if (place) place.done = false;
    this.#tellPlace();
    const told = `Item ${position} was not saved: ${refusal.message}`;
    this.notice(told);
    if (this.desk.position === position) this.go(position).then(() => this.notice(told));
  }

  // What is said about the state of things

  #tellPlace() {
    const done = this.#places.filter((place) => place.done).length;
    const { position } = this.desk;
    byId("place").textContent = position ? `Item ${position} of ${this.#places.length} · ${done} done` : "";
    byId("progress").max = Math.max(1, this.#places.length);
    byId("progress").value = done;
  }

  #tellSaved(what, count, sentence) {
    const place = byId("saved");
    place.dataset.state = what;
    const changes = `${count} ${count === 1 ? "change" : "changes"}`;
    const words = { saved: "Saved", saving: "Saving …", waiting: `Not saved yet: ${changes}`, over: count ? `Not saved: ${changes}` : "Closed" };
    place.textContent = words[what];
    if (what === "waiting") {
      this.notice(`${sentence} Your work is kept in this page and sent again by itself: go on, but do not close the page.`);
      byId("notice").dataset.of = "saving";
    } else if (what === "over") {
      this.notice(sentence);
    } else if (what === "saved" && byId("notice").dataset.of === "saving") {
      this.#clearNotice();
      this.say("All is saved again.");
    }
  }

  notice(sentence, button = null) {
    const place = byId("notice");
    delete place.dataset.of;
    if (place.firstChild?.textContent !== sentence || button) place.replaceChildren(...[el("p", {}, sentence), button].filter(Boolean));
    place.hidden = false;
  }

  #clearNotice() {
    if (byId("notice").dataset.of === "saving" && this.#saves.unsaved) return;
    byId("notice").hidden = true;
    byId("notice").replaceChildren();
  }

  // Ask until there is an answer; null where there will be none, or where it is no longer wanted.
  async #patiently(ask, wanted = () => true) {
    for (;;) {
      try {
        return await ask();
      } catch (trouble) {
        if (!wanted()) return null;
        const final = trouble instanceof Refused && trouble.status < 500;
        this.notice(final ? trouble.message : `${trouble.message} It is tried again by itself; what you entered is kept.`);
        if (final) return null;
        byId("notice").dataset.of = "saving";
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }
}

byId("done-key").append(key("⏎"));
const app = new App();
app.start();
