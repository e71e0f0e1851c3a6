/** Updates a partition of a board over its console: the board fetches the image, or is sent it. */
import type { Progress } from '../device/api.ts';
import type { AirResult, Check } from '../device/http/api.ts';
import { PortError } from '../link/port.ts';
import { BoardError, type Session } from '../link/session.ts';
import { InputError, wordingOf } from './words.ts';
import { readManifest } from '../formats/manifest/read.ts';
import { grouped, sizeOf } from './report-format.ts';
import { Pieces, type Sent } from './update-pieces.ts';
import {
  EXAMINE,
  type Examined,
  type Failed,
  JOIN,
  type Said,
  type ScriptOptions,
  updateScript,
} from './update-script.ts';

/** Where an image comes from. */
export type Source =
  /** The board fetches it by itself. */
  | { url: string; digest: string | undefined }
  /** The board is sent it. */
  | { name: string; image: Uint8Array; manifest: Uint8Array };

/** What an update is asked for. */
export interface UpdateRequest {
  source: Source;
  partition: string;
  backup?: string | false | undefined;
  trial?: number | undefined;
}

/** Hears of an update. */
export interface UpdateListener {
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

/** The update did not end, or not well. The message says what the partition holds, and what to do. */
export class UpdateError extends Error {
  override name = 'UpdateError';
  readonly exitCode = 1;
}

/** Milliseconds in which a board has to say something. It says nothing while it hashes what it has: 16 MB take a minute. */
const SILENCE_MS = 150_000;
/**
 * Each 4096 bytes have to arrive within two minutes, four faults may follow each other: if nobody answers, the old
 * content comes back after some ten minutes, pauses included.
 */
const PATIENCE = { timeout: 120_000, retries: 4 };
/** That the user has to change something; nothing was written then. */
const INPUT_CODES = /^E_(ARGUMENT|NO_PARTITION|FORBIDDEN|NO_BACKUP|SPACE|PENDING|MANIFEST)$/;

/** One update over a console. */
export class BoardUpdate {
  readonly #session: Session;
  readonly #request: UpdateRequest;
  readonly #listener: UpdateListener;
  readonly #pieces: Pieces | undefined;
  /** How far the image was written, as the board said last. */
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
   * @throws InputError if the user has to change something, and nothing was written; UpdateError
   */
  async run(): Promise<Outcome> {
    const started = performance.now();
    const examined = (await this.#session.run(EXAMINE)) as Examined;
    this.#check(examined);
    const { id } = this.#options;
    const isRunning = examined.running !== undefined;
    if (isRunning && examined.running !== id && examined.running !== this.#request.partition)
      throw new InputError(
        `${this.#name}: the board is busy with another update, ${examined.running}; ` +
          'reset it to put the old content back',
      );
    this.#isTouched = isRunning || /^(interrupted|incomplete|damaged)$/.test(examined.state);
    if (isRunning) this.#listener.onJoin?.();
    const result = await this.#talk(isRunning);
    const seconds = (performance.now() - started) / 1000;
    return { result, sent: this.#pieces?.sent, seconds };
  }

  /** What the partition holds if the command ends now, and what to do. */
  get rest(): string {
    const { partition, backup, source } = this.#request;
    const { port } = this.#session;
    const written = this.#written;
    if (!this.#isTouched) return `The partition "${partition}" holds what it held.`;
    const fate = 'url' in source ? 'The board goes on by itself' : 'The board waits ten minutes';
    const undo =
      backup === false
        ? 'There is no copy of the old content.'
        : 'url' in source
          ? `part-ota restore --port ${port.name} puts the old content back, as does a boot with ota.recover().`
          : 'After that the old content comes back, as it does by a boot with ota.recover(), or now by ' +
            `part-ota restore --port ${port.name}.`;
    const far = written ? `, ${grouped(written.done)} of ${grouped(written.total)} bytes` : '';
    return (
      `The partition "${partition}" holds a mix of the old and the new content${far}. ` +
      `${fate}: the same command again ${'url' in source ? 'shows how far it is' : 'goes on'}. ${undo}`
    );
  }

  /** The same, of a board that has just restarted. */
  get #restAfterReset(): string {
    const { partition, backup } = this.#request;
    if (!this.#isTouched) return `The partition "${partition}" holds what it held.`;
    const fate =
      backup === false
        ? 'There is no copy of the old content.'
        : 'If the boot script calls ota.recover(), it holds the old content again; ' +
          `if not, part-ota recover --port ${this.#name} puts that back.`;
    return (
      `The partition "${partition}" held a mix of the old and the new content. ` +
      `The same command again brings the new. ${fate}`
    );
  }

  get #name(): string {
    return this.#session.port.name;
  }

  get #options(): ScriptOptions {
    const { source, partition, backup, trial } = this.#request;
    const common = { partition, backup, trial };
    if ('url' in source)
      return {
        ...common,
        id: `${source.url} for ${partition}`,
        url: source.url,
        digest: source.digest,
      };
    const { digest } = readManifest(source.manifest);
    // The board prints it in lines whose parts are separated by spaces.
    const url = source.name.replace(/[^\w.-]/g, '_');
    return { ...common, ...PATIENCE, id: `${digest} for ${partition}`, url, digest };
  }

  /** Refuses what can be known to fail. @throws InputError */
  #check({ missing, partitions }: Examined): void {
    if (missing)
      throw new InputError(
        `${this.#name}: the board lacks the module ${missing.map((name) => `"${name}"`).join(' and ')}; ` +
          `part-ota upload --http --port ${this.#name}`,
      );
    const { source, partition } = this.#request;
    const row = partitions.find(({ label }) => label === partition);
    if (!row) {
      const labels = partitions.map(({ label }) => label).join(', ');
      throw new InputError(`--partition: no "${partition}" on the board; it has ${labels}`);
    }
    if ('url' in source) return;
    const { length } = source.image;
    if (length > row.size)
      throw new InputError(
        `${source.name}: ${grouped(length)} bytes; the partition "${partition}" has ${sizeOf(row.size)}`,
      );
  }

  /** Starts the update, or joins it, and waits for its end. */
  async #talk(isRunning: boolean): Promise<AirResult> {
    const { source } = this.#request;
    const script = isRunning ? JOIN : updateScript(this.#options, 'url' in source);
    const end = this.#session.onLine((line) => this.#pieces?.hear(line));
    let said: Said;
    try {
      said = (await this.#session.run(script, {
        silence: SILENCE_MS,
        onSay: (said) => this.#hear(said as Said),
      })) as Said;
    } catch (error) {
      if (!(error instanceof PortError || error instanceof BoardError)) throw error;
      const isReset = error instanceof PortError && error.code === 'E_RESET';
      const { message } = wordingOf(error)!;
      throw new UpdateError(`${message}\n${isReset ? this.#restAfterReset : this.rest}`);
    } finally {
      end();
    }
    if ('state' in said) return said;
    const { code, message } = said as Failed;
    // The update that it joined was undone meanwhile, by part-ota restore say.
    if (isRunning && code === 'E_STATE') return this.#talk(false);
    if (code && INPUT_CODES.test(code)) throw new InputError(`${this.#name}: ${message}`);
    const what = this.#isTouched
      ? `part-ota status --port ${this.#name} tells what the partition holds: the old content, if there was a copy of it.`
      : `The partition "${this.#request.partition}" holds what it held.`;
    throw new UpdateError(`${message}\n${what}`);
  }

  #hear(said: Said): void {
    if ('phase' in said) {
      if (said.phase === 'write') this.#written = said;
      this.#listener.onProgress?.(said);
    } else if ('fetch' in said && !('state' in said)) {
      this.#isTouched = true;
      this.#listener.onPlan?.(said);
    }
  }
}
