/** Updates a partition of a board over its console: the board fetches the image, or is sent it. */
import type { Progress } from '../device/api.ts';
import type { AirResult, Check } from '../device/http/api.ts';
import { Fault } from '../formats/errors.ts';
import type { Target } from '../formats/images/concerns.ts';
import { BoardError, PortError, type ThrownFacts } from './errors.ts';
import { askBoard } from './facts.ts';
import { type Layout, layoutOf } from './layout.ts';
import { type Memory, MEMORY_FLAG, neededFor } from './memory.ts';
import { now } from './runtime.ts';
import type { Session } from './session.ts';
import { endUpdate, isMixed, type Left, type Stuck, StuckError } from './update-end.ts';
import { Pieces, type Sent } from './update-pieces.ts';
import {
  checked,
  isAirResult,
  isCheck,
  isProgress,
  isRetry,
  type Retry,
  thrownOf,
} from './shapes.ts';
import {
  examineScript,
  overwritten,
  type Examined,
  isExamined,
  type Overwritten,
  JOIN,
  LOAD,
  OVER,
  portLine,
  startScript,
  type UpdateOptions,
} from './update-script.ts';

/** Where an image comes from. `digest`: what it has to be, as `part-ota pack` prints it. */
export type Source =
  /** The board fetches it by itself. `manifest`: its URL; `headers`: of each request; `keep`: see `UpdateOptions` of the device. */
  | {
      url: string;
      digest: string | undefined;
      manifest?: string | undefined;
      headers?: Record<string, string> | undefined;
      keep?: boolean | undefined;
    }
  /** The board is sent it. */
  | {
      /** What messages call it. */
      name: string;
      image: Uint8Array;
      manifest: Uint8Array;
      digest: string;
      /** examples/air-serial.js as it is built, which the board runs. */
      script: string;
    };

/** What an update is asked for. */
export interface UpdateRequest {
  source: Source;
  partition: string;
  backup?: string | false | undefined;
  trial?: number | undefined;
}

/** Hears of an update. */
interface UpdateListener {
  /** The board has a partition for the image, which fits; nothing was sent. What it throws ends the update. */
  onTarget?: (target: Target) => void;
  /** An update to the same image runs on the board already: this is its rest. */
  onJoin?: () => void;
  /** The backup is an app slot. Called before anything is written, and not where the update goes on with another one. */
  onOverwrite?: (slot: Overwritten) => void;
  onPlan?: (plan: Check) => void;
  onProgress?: (progress: Progress) => void;
  /** A fault of network or server that the board survives. */
  onRetry?: (retry: Retry) => void;
  onSent?: (sent: Sent) => void;
}

/** What came of an update. */
export interface Outcome {
  result: AirResult;
  /** Missing if the board fetched the image by itself. */
  sent?: Sent;
  /** From the first word to the board to its last one. */
  seconds: number;
}

/** What the partition of an update that did not end well holds, and what becomes of that. */
export interface Rest {
  port: string;
  partition: string;
  /**
   * `old`: what it held before. `mixed`: old and new content, and the board goes on, or waits. `reset`: it held both when
   * the board restarted. `open`: it holds both, and nothing on the board goes on. `told`: the board has ended the update; its
   * status tells.
   */
  holds: 'old' | 'mixed' | 'reset' | 'open' | 'told';
  /** How the image comes to the board. */
  by: 'url' | 'console';
  hasBackup: boolean;
  /** How much of the image was written, as far as the board has told. */
  written?: Progress;
}

/** Why an update has not ended, or not well. */
export interface UpdateFacts {
  /** The board cannot be heard any more, or its answer was not one. */
  E_LOST: { why: PortError | BoardError; rest: Rest };
  /** The board has given up. `code`: of the module, like E_HTTP; missing if something else was thrown. */
  E_FAILED: { code?: string; message: string; rest: Rest };
  /** The memory of the board has ended. `needed`: JsVars that should be free; `line`: what told it. */
  E_MEMORY: { port: string; memory?: Memory; line?: string; needed: number; rest: Rest };
  /** It asks for the same again and again. `flags`: see `Left`; missing, as `memory` is, if it does not answer. */
  E_STUCK: { port: string; stuck: Stuck; memory?: Memory; flags?: string[]; rest: Rest };
  /** It had ended on the board before this machine could listen to it. */
  E_OVER: { rest: Rest };
}

/** The update did not end, or not well. */
export class UpdateError<Code extends keyof UpdateFacts = keyof UpdateFacts> extends Fault<
  UpdateFacts,
  Code
> {
  override name = 'UpdateError';
}

/** Why an update was refused. Nothing was written. */
export interface RefusalFacts {
  /** The board is at another update: `running`, the `id` of its options, or the label of its partition. */
  E_UPDATING: { port: string; running: string };
  E_NO_MODULE: { port: string; missing: string[] };
  E_NO_PARTITION: { label: string; labels: string[] };
  /** Bytes; `limit`: those of the partition. */
  E_SIZE: { name: string; size: number; label: string; limit: number };
  /** The module refuses. `code`: E_FORBIDDEN, E_NO_BACKUP, …; `layout`: if it is for what lies where, and the board tells. */
  E_REFUSED: { port: string; code: string; message: string; partition: string; layout?: Layout };
}

/** The update was refused: something has to be changed first, an option, an image, or the board. */
export class UpdateRefused<Code extends keyof RefusalFacts = keyof RefusalFacts> extends Fault<
  RefusalFacts,
  Code
> {
  override name = 'UpdateRefused';
}

/** Milliseconds that a board may be silent, as it is while it hashes what it has: 16 MB take a minute. */
const SILENCE_MS = 150_000;
/** The same while it fetches by itself: it waits two minutes if a server asks for that, and then for its network. */
const FETCH_SILENCE_MS = 300_000;
/**
 * Each 4096 bytes have to arrive within two minutes, four faults may follow each other: without an answer, the old
 * content comes back after some ten minutes, pauses included.
 */
const PATIENCE = { timeout: 120_000, retries: 4 };
const MODULES = ['ota', 'ota-http'];
/** That something has to be changed; nothing was written then. */
/** That is for what lies where on the chip. */
const OF_PLACES = /^E_(FORBIDDEN|NO_BACKUP|SPACE)$/;
const REFUSALS = /^E_(ARGUMENT|NO_PARTITION|FORBIDDEN|NO_BACKUP|SPACE|PENDING|MANIFEST)$/;

/** Whether it is what an update will take, and not what it has come to. */
const isPlanned = (said: unknown): said is Check => isCheck(said) && !('state' in said);

/** One update over a session. */
export class BoardUpdate {
  readonly #session: Session;
  readonly #request: UpdateRequest;
  readonly #listener: UpdateListener;
  readonly #pieces: Pieces | undefined;
  /** How far the image was written, as far as the board has told. */
  #written: Progress | undefined;
  #fresh: string[] = [];
  /** Whether the partition held a mix before, or another run of the command has begun this update. */
  #wasOpen = false;
  /** What the update will take, once that is known: nothing is written before. */
  #plan: Check | undefined;

  constructor(session: Session, request: UpdateRequest, listener: UpdateListener = {}) {
    this.#session = session;
    this.#request = request;
    this.#listener = listener;
    const { source } = request;
    if ('url' in source) return;
    this.#pieces = new Pieces(session, source.image, source.manifest);
    this.#pieces.onSent = () => listener.onSent?.(this.#pieces!.sent);
    this.#pieces.onStuck = (stuck) => session.giveUp(new StuckError(stuck));
  }

  /**
   * Does it.
   * @throws UpdateRefused, and nothing was written; UpdateError; PortError and BoardError before anything is asked
   */
  async run(): Promise<Outcome> {
    const started = now();
    const examine = examineScript(this.#request, this.#work);
    const examined = checked(this.#port, await this.#session.run(examine), isExamined);
    if (examined.missing)
      throw new UpdateRefused('E_NO_MODULE', { port: this.#port, missing: examined.missing });
    this.#fresh = examined.fresh;
    if (examined.free !== undefined)
      throw new UpdateError('E_MEMORY', {
        ...this.#memoryFacts,
        memory: examined,
        rest: this.#rest('told'),
      });
    this.#check(examined);
    const id = this.#id;
    const { running } = examined;
    if (running !== undefined && running !== id && running !== this.#request.partition)
      throw new UpdateRefused('E_UPDATING', { port: this.#port, running });
    const isRunning = running !== undefined;
    this.#wasOpen = isRunning || isMixed(examined.state);
    if (isRunning) this.#listener.onJoin?.();
    else if (examined.slot) this.#listener.onOverwrite?.(overwritten(examined.slot));
    const result = await this.#talk(isRunning);
    return { result, sent: this.#pieces?.sent, seconds: (now() - started) / 1000 };
  }

  /** What the partition holds if the session ends now. */
  get rest(): Rest {
    return this.#rest('mixed');
  }

  /** @param touched - what the partition holds if anything was written */
  #rest(touched: Rest['holds']): Rest {
    const { partition, backup, source } = this.#request;
    return {
      port: this.#port,
      partition,
      holds: this.#isTouched ? touched : 'old',
      by: 'url' in source ? 'url' : 'console',
      hasBackup: backup !== false,
      written: this.#written,
    };
  }

  /** Whether anything may have been written: by this update, or by the one that it goes on with. */
  get #isTouched(): boolean {
    // What it is to write may have been lost on the line, as may have been how far it is.
    if (this.#wasOpen || this.#written) return true;
    if (!this.#plan) return false;
    const { copied, fetch } = this.#plan;
    // The first of these that is written comes from here.
    const isFirstSent = this.#pieces !== undefined && fetch > 0 && copied === 0;
    return !isFirstSent || this.#pieces.sent.image > 0;
  }

  /** Ends the update on the board. @returns what is left there, if it still answers, and what the partition holds */
  async #end(): Promise<{ left: Left | undefined; rest: Rest }> {
    const left = await endUpdate(this.#session, this.#fresh);
    const rest = this.#rest('told');
    if (left?.state === undefined) return { left, rest };
    return { left, rest: { ...rest, holds: isMixed(left.state) ? 'open' : 'old' } };
  }

  get #port(): string {
    return this.#session.port.name;
  }

  /** By this another run of the command knows the update again: no longer than needed, since the board keeps it. */
  get #id(): string {
    const { source, partition } = this.#request;
    // Without a password: others who ask are told.
    const name =
      'url' in source ? source.url.replace(/\/\/[^/?]*@/, '//') : source.digest.slice(0, 16);
    return `${name} for ${partition}`;
  }

  get #options(): UpdateOptions {
    const { source, partition, backup, trial } = this.#request;
    const common = { partition, backup, trial, digest: source.digest };
    if ('url' in source) {
      const { url, manifest, headers, keep } = source;
      return { ...common, url, manifest, headers, keep };
    }
    // The board prints it in lines whose parts are separated by spaces.
    return { ...common, ...PATIENCE, url: source.name.replace(/[^\w.-]/g, '_') };
  }

  /** Refuses what can be known to fail. @throws UpdateRefused */
  #check({ size: limit, labels, type, subtype }: Examined): void {
    const { source, partition: label } = this.#request;
    if (limit === undefined) throw new UpdateRefused('E_NO_PARTITION', { label, labels });
    if ('url' in source) return;
    const size = source.image.length;
    if (size > limit) throw new UpdateRefused('E_SIZE', { name: source.name, size, label, limit });
    this.#listener.onTarget?.({ label, size: limit, type, subtype });
  }

  /** Starts the update, or joins it, and waits for its end. */
  async #talk(isRunning: boolean): Promise<AirResult> {
    const outcome = await this.#listen(isRunning);
    if ('fetched' in outcome) return outcome;
    const { code, message, state } = outcome;
    if (code === OVER) throw new UpdateError('E_OVER', { rest: this.#rest('told') });
    // The update that it joined was undone meanwhile: part-ota restore does that.
    if (isRunning && code === 'E_STATE') return this.#talk(false);
    if (code && REFUSALS.test(code)) throw await this.#refusal(code, message);
    // Without a code it is an error of Espruino's, and may be for want of memory.
    if (code !== undefined && code !== 'E_MEMORY') {
      const held = state === undefined ? undefined : isMixed(state) ? 'open' : 'old';
      const rest = this.#rest('told');
      throw new UpdateError('E_FAILED', {
        code,
        message,
        rest: { ...rest, holds: held ?? rest.holds },
      });
    }
    const { left, rest } = await this.#end();
    if (code === undefined && left?.flags.includes(MEMORY_FLAG)) {
      const { memory } = left;
      throw new UpdateError('E_MEMORY', { ...this.#memoryFacts, memory, line: message, rest });
    }
    throw new UpdateError('E_FAILED', { code, message, rest });
  }

  /** @returns that the module refuses the update, with what lies where if it is for that. */
  async #refusal(code: string, message: string): Promise<UpdateRefused> {
    const facts = { port: this.#port, code, message, partition: this.#request.partition };
    if (!OF_PLACES.test(code)) return new UpdateRefused('E_REFUSED', facts);
    const asked = await askBoard(this.#session).catch(() => undefined);
    return new UpdateRefused('E_REFUSED', { ...facts, layout: asked && layoutOf(asked) });
  }

  get #work(): 'otaHttp' | 'console' {
    return 'url' in this.#request.source ? 'otaHttp' : 'console';
  }

  get #memoryFacts(): { port: string; needed: number } {
    const loaded = MODULES.filter((name) => !this.#fresh.includes(name));
    return { port: this.#port, needed: neededFor(this.#work, loaded) };
  }

  /** @returns what came of it on the board: a result, or an error. @throws UpdateError E_LOST */
  async #listen(isRunning: boolean): Promise<AirResult | ThrownFacts['E_THROWN']> {
    const { source } = this.#request;
    const serial = 'url' in source ? undefined : source.script;
    const end = this.#session.onLine((line) => this.#pieces?.hear(line));
    try {
      if (!isRunning) {
        await this.#session.run(LOAD, { silence: SILENCE_MS });
        await this.#session.run(portLine(this.#options, serial), { silence: SILENCE_MS });
      }
      const script = isRunning ? JOIN : startScript(this.#id, this.#fresh);
      const outcome = await this.#session.run(script, {
        silence: 'url' in source ? FETCH_SILENCE_MS : SILENCE_MS,
        onSay: (said) => this.#hear(said),
        isLast: (said) => !isProgress(said) && !isPlanned(said) && !isRetry(said),
      });
      return this.#outcomeOf(outcome);
    } catch (error) {
      // What it still asks for is not answered any more.
      end();
      throw await this.#failureOf(error);
    } finally {
      end();
    }
  }

  /** @returns what is thrown where the board gives no outcome. */
  async #failureOf(error: unknown): Promise<unknown> {
    const port = this.#port;
    if (error instanceof StuckError) {
      const { stuck } = error;
      const { left, rest } = await this.#end();
      const memory = left?.memory;
      return left?.flags.includes(MEMORY_FLAG)
        ? new UpdateError('E_MEMORY', { ...this.#memoryFacts, memory, rest })
        : new UpdateError('E_STUCK', { port, stuck, memory, flags: left?.flags, rest });
    }
    if (!(error instanceof PortError || error instanceof BoardError)) return error;
    if (error instanceof BoardError && error.code === 'E_MEMORY') {
      const { memory, line } = error.facts as ThrownFacts['E_MEMORY'];
      const { left, rest } = await this.#end();
      const now = left?.memory ?? memory;
      return new UpdateError('E_MEMORY', { ...this.#memoryFacts, memory: now, line, rest });
    }
    // What was thrown here came from a script that starts or joins an update: it has not begun, or is none.
    const touched = error instanceof BoardError ? 'open' : 'mixed';
    const rest = this.#rest(error.code === 'E_RESET' ? 'reset' : touched);
    return new UpdateError('E_LOST', { why: error, rest });
  }

  /** @throws PortError E_GARBLED if it is neither a result nor an error */
  #outcomeOf(outcome: unknown): AirResult | ThrownFacts['E_THROWN'] {
    return isAirResult(outcome) ? outcome : thrownOf(this.#port, outcome);
  }

  /** Takes what the board tells meanwhile: the plan once, then how far it is; at last, what it also returns. */
  #hear(said: unknown): void {
    if (isProgress(said)) {
      if (said.phase === 'write') this.#written = said;
      this.#listener.onProgress?.(said);
    } else if (isPlanned(said)) {
      this.#plan = said;
      this.#listener.onPlan?.(said);
    } else if (isRetry(said)) {
      this.#listener.onRetry?.(said);
    } else {
      this.#outcomeOf(said);
    }
  }
}
