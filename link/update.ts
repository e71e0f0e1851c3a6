/** Updates a partition of a board over its console: the board fetches the image, or is sent it. */
import type { Progress } from '../device/api.ts';
import type { AirResult, Check } from '../device/http/api.ts';
import { Fault } from '../formats/errors.ts';
import { BoardError, PortError, type ThrownFacts } from './errors.ts';
import { now } from './runtime.ts';
import type { Session } from './session.ts';
import { Pieces, type Sent } from './update-pieces.ts';
import { checked, isAirResult, isCheck, isProgress, thrownOf } from './shapes.ts';
import {
  EXAMINE,
  type Examined,
  isExamined,
  JOIN,
  OVER,
  type ScriptOptions,
  updateScript,
} from './update-script.ts';

/** Where an image comes from. `digest`: what it has to be, as `part-ota pack` prints it. */
export type Source =
  /** The board fetches it by itself. */
  | { url: string; digest: string | undefined }
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
  /** An update to the same image runs on the board already: this is its rest. */
  onJoin?: () => void;
  onPlan?: (plan: Check) => void;
  onProgress?: (progress: Progress) => void;
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
   * the board restarted. `told`: the board has ended the update; its status tells.
   */
  holds: 'old' | 'mixed' | 'reset' | 'told';
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
  /** The module refuses. `code`: E_FORBIDDEN, E_NO_BACKUP, … */
  E_REFUSED: { port: string; code: string; message: string };
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
/**
 * Each 4096 bytes have to arrive within two minutes, four faults may follow each other: without an answer, the old
 * content comes back after some ten minutes, pauses included.
 */
const PATIENCE = { timeout: 120_000, retries: 4 };
/** That something has to be changed; nothing was written then. */
const REFUSALS = /^E_(ARGUMENT|NO_PARTITION|FORBIDDEN|NO_BACKUP|SPACE|PENDING|MANIFEST)$/;

/** One update over a session. */
export class BoardUpdate {
  readonly #session: Session;
  readonly #request: UpdateRequest;
  readonly #listener: UpdateListener;
  readonly #pieces: Pieces | undefined;
  /** How far the image was written, as far as the board has told. */
  #written: Progress | undefined;
  /** Whether anything may have been written: by this update, or by the one that it goes on with. */
  #isTouched = false;

  constructor(session: Session, request: UpdateRequest, listener: UpdateListener = {}) {
    this.#session = session;
    this.#request = request;
    this.#listener = listener;
    const { source } = request;
    if ('url' in source) return;
    this.#pieces = new Pieces(session, source.image, source.manifest);
    this.#pieces.onSent = () => listener.onSent?.(this.#pieces!.sent);
  }

  /**
   * Does it.
   * @throws UpdateRefused, and nothing was written; UpdateError; PortError and BoardError before anything is asked
   */
  async run(): Promise<Outcome> {
    const started = now();
    const examined = checked(this.#port, await this.#session.run(EXAMINE), isExamined);
    if (examined.missing)
      throw new UpdateRefused('E_NO_MODULE', { port: this.#port, missing: examined.missing });
    this.#check(examined);
    const { id } = this.#options;
    const { running } = examined;
    if (running !== undefined && running !== id && running !== this.#request.partition)
      throw new UpdateRefused('E_UPDATING', { port: this.#port, running });
    const isRunning = running !== undefined;
    this.#isTouched = isRunning || /^(interrupted|incomplete|damaged)$/.test(examined.state);
    if (isRunning) this.#listener.onJoin?.();
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

  get #port(): string {
    return this.#session.port.name;
  }

  get #options(): ScriptOptions {
    const { source, partition, backup, trial } = this.#request;
    const { digest } = source;
    const common = { partition, backup, trial, digest };
    if ('url' in source) {
      const { url } = source;
      return { ...common, id: `${url} for ${partition}`, url };
    }
    // The board prints it in lines whose parts are separated by spaces.
    const url = source.name.replace(/[^\w.-]/g, '_');
    return { ...common, ...PATIENCE, id: `${digest} for ${partition}`, url };
  }

  /** Refuses what can be known to fail. @throws UpdateRefused */
  #check({ partitions }: Examined): void {
    const { source, partition: label } = this.#request;
    const row = partitions.find((row) => row.label === label);
    if (!row) {
      const labels = partitions.map((row) => row.label);
      throw new UpdateRefused('E_NO_PARTITION', { label, labels });
    }
    if ('url' in source) return;
    const size = source.image.length;
    if (size > row.size)
      throw new UpdateRefused('E_SIZE', { name: source.name, size, label, limit: row.size });
  }

  /** Starts the update, or joins it, and waits for its end. */
  async #talk(isRunning: boolean): Promise<AirResult> {
    const outcome = await this.#listen(isRunning);
    if ('state' in outcome) return outcome;
    const { code, message } = outcome;
    if (code === OVER) throw new UpdateError('E_OVER', { rest: this.#rest('told') });
    // The update that it joined was undone meanwhile: part-ota restore does that.
    if (isRunning && code === 'E_STATE') return this.#talk(false);
    if (code && REFUSALS.test(code))
      throw new UpdateRefused('E_REFUSED', { port: this.#port, code, message });
    throw new UpdateError('E_FAILED', { code, message, rest: this.#rest('told') });
  }

  /** @returns what came of it on the board: a result, or an error. @throws UpdateError E_LOST */
  async #listen(isRunning: boolean): Promise<AirResult | ThrownFacts['E_THROWN']> {
    const { source } = this.#request;
    const serial = 'url' in source ? undefined : source.script;
    const end = this.#session.onLine((line) => this.#pieces?.hear(line));
    try {
      const script = isRunning ? JOIN : updateScript(this.#options, serial);
      const outcome = await this.#session.run(script, {
        silence: SILENCE_MS,
        onSay: (said) => this.#hear(said),
      });
      return this.#outcomeOf(outcome);
    } catch (error) {
      if (!(error instanceof PortError || error instanceof BoardError)) throw error;
      const rest = this.#rest(error.code === 'E_RESET' ? 'reset' : 'mixed');
      throw new UpdateError('E_LOST', { why: error, rest });
    } finally {
      end();
    }
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
    } else if (isCheck(said) && !('state' in said)) {
      this.#isTouched = true;
      this.#listener.onPlan?.(said);
    } else {
      this.#outcomeOf(said);
    }
  }
}
