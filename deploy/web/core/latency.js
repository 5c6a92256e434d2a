/** How long is measured: at least so many queries, and at least so many seconds. */
export const PRESETS = Object.freeze({ quick: { queries: 128, seconds: 10 } });

/**
 * Times in nanoseconds of a clock that never goes back. The warm-up is kept, and belongs to no statistic.
 *
 * @typedef {{load: number, first: number, warmUp: number[], samples: number[], threads: number, preset: keyof typeof PRESETS}} Latency
 */

const WARM_UP = { queries: 10, seconds: 1 };
const NANOSECONDS = 1e9;
const PER_MILLISECOND = 1e6;

/** The browser's clock. */
const now = () => performance.now() * PER_MILLISECOND;

/**
 * Loads the model with `load` and runs `query` on it again and again, one after another. `now` is the clock, in nanoseconds.
 * `progress` gets the share that is done, between queries, and is waited for, so that it can let the page be drawn.
 *
 * @template Model
 * @param {{
 *   threads: number, load: () => Promise<Model>, query: (model: Model) => Promise<unknown>, preset?: keyof typeof PRESETS,
 *   now?: () => number, progress?: (share: number) => unknown,
 * }} what
 * @returns {Promise<Latency>}
 */
export async function measureLatency({ threads, load, query, preset = "quick", now: clock = now, progress = () => {} }) {
  /** @type {Model | undefined} */
  let model;
  const loaded = await time(clock, async () => {
    model = await load();
  });
  const run = () => query(/** @type {Model} */ (model));
  const first = await time(clock, run);
  const warmUp = await repeated(WARM_UP, clock, () => {}, run);
  const samples = await repeated(PRESETS[preset], clock, progress, run);
  return { load: loaded, first, warmUp, samples, threads, preset };
}

/**
 * The smallest sample that at least `share` of all do not exceed.
 *
 * @param {Latency} latency
 * @param {number} share
 * @returns {number} nanoseconds
 */
export function quantile({ samples }, share) {
  const place = Math.min(Math.max(Math.ceil(share * samples.length), 1), samples.length);
  return [...samples].sort((one, other) => one - other)[place - 1];
}

/**
 * @param {{queries: number, seconds: number}} least
 * @param {() => number} clock
 * @param {(share: number) => unknown} progress
 * @param {() => Promise<unknown>} query
 * @returns {Promise<number[]>}
 */
async function repeated({ queries, seconds }, clock, progress, query) {
  const samples = [];
  const start = clock();
  for (;;) {
    const share = Math.min(samples.length / queries, (clock() - start) / (seconds * NANOSECONDS));
    if (share >= 1) return samples;
    await progress(share);
    samples.push(await time(clock, query));
  }
}

/**
 * @param {() => number} clock
 * @param {() => Promise<unknown>} action
 * @returns {Promise<number>} whole nanoseconds
 */
async function time(clock, action) {
  const start = clock();
  await action();
  return Math.round(clock() - start);
}
