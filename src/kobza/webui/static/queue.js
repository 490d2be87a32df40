// What plays before and after what is playing. A queue is a list of answers ("hits"), told apart by the links of their tracks.
//
// Playing an answer makes its whole list the queue, so that next and previous walk through the answers. As soon as
// somebody adds to the queue by hand, it is theirs: it holds what they added and nothing else, whatever is played
// meanwhile ("aside") leaves it alone, and playing goes on with it.

export class Queue {
  constructor() {
    this.entries = [];
    this.index = -1; // of what is, or was last, playing; -1: before the first
    this.isOwn = false;
    this.aside = null;
  }

  get current() {
    return this.aside ?? this.entries[this.index] ?? null;
  }

  find(link) {
    return this.entries.findIndex((hit) => hit.track.link === link);
  }

  // Make `hit`, one of `list`, what is playing.
  start(hit, list) {
    const { link } = hit.track;
    if (!this.isOwn && list) this.entries = [...list];
    const there = this.find(link);
    this.aside = null;
    if (there >= 0) {
      this.index = there;
      this.entries[there] = hit; // it may begin at another moment now
    } else if (this.isOwn) this.aside = hit;
    else {
      this.entries = [hit];
      this.index = 0;
    }
  }

  // Put hits at the end. -> how many are new
  add(hits) {
    if (!this.isOwn) {
      this.aside = this.current;
      this.entries = [];
      this.index = -1;
      this.isOwn = true;
    }
    const news = hits.filter((hit, i) => this.find(hit.track.link) < 0 && hits.findIndex((one) => one.track.link === hit.track.link) === i);
    this.entries.push(...news);
    if (this.aside && this.find(this.aside.track.link) >= 0) {
      this.index = this.find(this.aside.track.link);
      this.aside = null;
    }
    return news.length;
  }

  remove(index) {
    const [removed] = this.entries.splice(index, 1);
    this.isOwn = true; // what somebody shaped stays as it is
    if (index === this.index && !this.aside) this.aside = removed; // it plays to its end
    if (index <= this.index) this.index -= 1;
    if (!this.entries.length) this.isOwn = false;
  }

  move(from, to) {
    if (to < 0 || to >= this.entries.length) return;
    const playing = this.entries[this.index];
    this.entries.splice(to, 0, ...this.entries.splice(from, 1));
    this.isOwn = true;
    if (playing) this.index = this.entries.indexOf(playing);
  }

  clear() {
    this.aside = this.current;
    this.entries = [];
    this.index = -1;
    this.isOwn = false;
  }

  get hasNext() {
    return this.index + 1 < this.entries.length;
  }

  get hasPrevious() {
    return this.aside ? this.index >= 0 : this.index > 0;
  }

  // -> what to play then; null: there is nothing
  next() {
    return this.hasNext ? this.jump(this.index + 1) : null;
  }

  previous() {
    return this.hasPrevious ? this.jump(this.aside ? this.index : this.index - 1) : null;
  }

  jump(index) {
    this.aside = null;
    this.index = index;
    return this.current;
  }
}
