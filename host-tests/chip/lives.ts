/** Lives of an emulated board in which power fails: when, and what must be true afterwards. */
import assert from 'node:assert/strict';
import type { Report } from '../../device/api.ts';
import { someBits, type Tear, TEARS } from '../../host/chip/tears.ts';
import { random } from '../support/fixtures.ts';
import type { Bench, Cut } from './bench.ts';
import { changesOf, type Scene } from './scenes.ts';

/** What has come of lives. */
export interface Counts {
  lives: number;
  /** Ends of the emulator: in a scene, and in the recovery after that. */
  inCalls: number;
  inRecovery: number;
  /** Lives by what `www` held in the end. */
  old: number;
  new: number;
  /** Further updates, to their end. */
  updates: number;
}

/** The golden ratio: its multiples fall evenly into any interval, however many there are. */
const EVENLY = 0.6180339887498949;
/** So many of the first and of the last changes, in which decisions are written, */
const EDGE = 4;
/** get one cut of so many. */
const AT_AN_EDGE = 5;
/** One life of so many has a cut in the recovery, and one of so many yet another in the next one. */
const SECOND = 2;
const THIRD = 6;
/** One of so many is followed by an update. */
const UPDATED = 8;

/** What a report says of `www`. With `none` no update has begun, and all starts without a journal hold the old content. */
const CONTENT: Partial<Record<Report['state'], 'old' | 'new'>> = {
  none: 'old',
  restored: 'old',
  committed: 'new',
  trial: 'new',
};

/** Lives in which each scene has had its share, and how far apart in that order two that follow each other are. */
const SLOTS = 25;
const STRIDE = 7;

type Below = (n: number) => number;

function drawTear(below: Below): Tear {
  const forms = Object.values<Tear>(TEARS);
  const form = forms[below(forms.length)];
  return form === TEARS.someBits ? someBits(below(1 << 30)) : form;
}

/** Draws a cut in one of so many changes. @param place - where among them: 0 to 1 */
function drawCut(below: Below, changes: number, place: number): Cut {
  const edge = below(AT_AN_EDGE) ? undefined : below(2 * EDGE);
  let number = 1 + Math.floor(place * changes);
  if (edge !== undefined) number = edge < EDGE ? 1 + edge : changes - (edge - EDGE);
  return { number: Math.min(Math.max(number, 1), changes), tear: drawTear(below) };
}

const nameOf = ({ number, tear }: Cut) => `a cut in change ${number}, ${tear.name}`;

/** Plays lives. The same number of the same seed is the same life. */
export class Lives {
  readonly counts: Counts = {
    lives: 0,
    inCalls: 0,
    inRecovery: 0,
    old: 0,
    new: 0,
    updates: 0,
  };
  /** What has happened in the life that is played. */
  story: string[] = [];
  /** Changes of the flash in the last boot that was not cut. */
  #recovering = 0;
  readonly #bench: Bench;
  readonly #scenes: Scene[];
  readonly #seed: number;

  constructor(bench: Bench, scenes: Scene[], seed: number) {
    this.#bench = bench;
    this.#scenes = scenes;
    this.#seed = seed;
  }

  /** Plays one. @throws if the promise does not hold */
  async play(number: number): Promise<void> {
    this.story = [];
    const below = random(this.#seed * 0x10001 + number);
    // The first numbers of small seeds are alike.
    for (let i = 0; i < 8; i++) below(1);
    const scene = this.#sceneOf(number);
    const changes = (scene.changes ??= await changesOf(this.#bench, scene));
    const cut = drawCut(below, changes, (number * EVENLY) % 1);
    this.story.push(`${scene.name}: ${nameOf(cut)} of ${changes}`);
    await this.#bench.load(scene.start);
    await this.#cutIn(cut, scene);

    const torn = Buffer.from(this.#bench.flash.bytes);
    let content = await this.#recover();
    const total = this.#recovering;
    if (total && number % SECOND === 0) {
      this.#bench.flash.bytes = torn;
      for (let i = 0; i < (number % THIRD ? 1 : 2); i++) {
        const again = drawCut(below, total, below(1000) / 1000);
        this.story.push(`in recover(): ${nameOf(again)} of ${total}`);
        // The recovery after a cut in one may be shorter.
        if (await this.#bench.cutIn(again)) this.counts.inRecovery++;
      }
      content = await this.#recover();
    }
    if (number % UPDATED === 0) await this.#update();
    this.counts.lives++;
    this.counts[content]++;
  }

  /** @returns what a life is about: each has its share in any SLOTS lives, an odd number, so that all have all kinds of cuts. */
  #sceneOf(number: number): Scene {
    let slot = (number * STRIDE) % SLOTS;
    return this.#scenes.find(({ share }) => (slot -= share) < 0) ?? this.#scenes[0];
  }

  /** Lets power fail in a scene. If the emulator resets itself before that, that is the cut of this life. */
  async #cutIn(cut: Cut, { act, clock }: Scene): Promise<void> {
    const { emulator } = this.#bench;
    const { resets } = emulator;
    try {
      assert.ok(await this.#bench.cutIn(cut, act, clock), 'it came to its end');
      this.counts.inCalls++;
    } catch (error) {
      if (emulator.resets === resets) throw error;
      this.story.push('the emulator reset itself');
    }
  }

  /**
   * Boots, and checks what the boot script has reported, what is on the flash, and that this stays.
   * @returns what `www` holds
   */
  async #recover(): Promise<'old' | 'new'> {
    const bench = this.#bench;
    await bench.reboot();
    const { state, sealed } = await bench.recovered();
    this.story.push(`recover() says ${state}`);
    const { content } = bench;
    assert.equal(content, CONTENT[state], `it says ${state}`);
    assert.notEqual(sealed, false, 'not sealed');
    this.#recovering = bench.changes;
    if (state !== 'trial') {
      const again = (await bench.run('return require("ota").recover()')) as Report;
      assert.equal(again.state, state, 'recover() once more');
      assert.equal(bench.changes, this.#recovering, 'changes by recover() once more');
      assert.equal(bench.content, content);
    }
    return content;
  }

  /** Updates the board as it is now. */
  async #update(): Promise<void> {
    const bench = this.#bench;
    await bench.reboot();
    if ((await bench.recovered()).state === 'trial')
      await bench.run('return require("ota").confirm()');
    const { state } = await bench.update();
    this.story.push(`an update says ${state}`);
    assert.ok(state === 'committed' || state === 'untouched', state);
    assert.equal(bench.content, 'new');
    this.counts.updates++;
  }
}
