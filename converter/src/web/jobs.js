// The files to convert, in order: which is under way, how far all are. Knows neither the page nor how a file is sent.

import { Refusal } from "./server.js";

/** The server encodes while it receives, so two at a time keep the line busy between files. */
const AT_ONCE = 2;
/** A busy server is asked this often. */
const MOST_TRIES = 30;

/** One file. `state` is waiting, sending, busy, done, failed or cancelled. */
export class Job {
  state = "waiting";
  /** From 0 to 1. */
  share = 0;
  phase = "";
  result = null;
  error = null;
  abort = new AbortController();

  constructor(file) {
    this.file = file;
  }

  get isOver() {
    return ["done", "failed", "cancelled"].includes(this.state);
  }
}

export class Jobs {
  #jobs = [];
  #running = 0;
  #work;
  #changed;

  /** `work(job, progress)` converts one file; `changed(job)` is called whenever one has moved. */
  constructor(work, changed) {
    this.#work = work;
    this.#changed = changed;
  }

  get all() {
    return this.#jobs;
  }

  get isIdle() {
    return this.#jobs.every((job) => job.isOver);
  }

  /** How far all are, from 0 to 1, by bytes; cancelled files do not count. */
  get share() {
    const counted = this.#jobs.filter(({ state }) => state !== "cancelled");
    const total = counted.reduce((sum, { file }) => sum + file.size + 1, 0);
    const done = counted.reduce((sum, job) => sum + (job.file.size + 1) * (job.isOver ? 1 : job.share), 0);
    return total > 0 ? done / total : 1;
  }

  add(file) {
    const job = new Job(file);
    this.#jobs.push(job);
    this.#changed(job);
    this.#next();
    return job;
  }

  /** Stops a job wherever it is; what is over stays as it is. */
  cancel(job) {
    if (job.isOver) return;
    job.abort.abort();
    this.#move(job, "cancelled");
  }

  /** Begins a failed or cancelled one again. */
  retry(job) {
    job.abort = new AbortController();
    job.share = 0;
    job.error = null;
    this.#move(job, "waiting");
    this.#next();
  }

  /** Takes one that is over off the list. */
  remove(job) {
    this.#jobs = this.#jobs.filter((other) => other !== job);
  }

  #next() {
    while (this.#running < AT_ONCE) {
      const job = this.#jobs.find(({ state }) => state === "waiting");
      if (!job) return;
      this.#running += 1;
      this.#run(job).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #run(job) {
    const { abort } = job;
    // A job that was cancelled and begun again meanwhile has another controller; the old run has no say any more.
    const mine = () => job.abort === abort && !abort.signal.aborted;
    for (let tries = 1; mine(); tries += 1) {
      this.#move(job, "sending");
      try {
        const result = await this.#work(job, (share, phase) => {
          if (!mine()) return;
          // A refused or interrupted upload begins anew, but the bar never goes back.
          job.share = Math.max(job.share, share);
          job.phase = phase;
          this.#changed(job);
        });
        if (!mine()) return;
        job.result = result;
        job.share = 1;
        this.#move(job, "done");
        return;
      } catch (error) {
        if (!mine()) return;
        if (error instanceof Refusal && error.retryAfter !== null && tries < MOST_TRIES) {
          job.error = error;
          this.#move(job, "busy");
          await pause(error.retryAfter * 1000, abort.signal);
        } else {
          job.error = error;
          this.#move(job, "failed");
          return;
        }
      }
    }
  }

  #move(job, state) {
    job.state = state;
    this.#changed(job);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
