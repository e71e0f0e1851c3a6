/** The files of a directory, as a server may hand them out: found, refused, hashed. */
import { sha256 } from '#hashes';
import { type BigIntStats, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { readdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join, relative, sep } from 'node:path';
import { toHex } from '../../formats/bytes.ts';
import { ManifestError } from '../../formats/manifest/errors.ts';
import { IMAGE_LIMIT } from '../../device/http/manifest.ts';
import { InputError, wordingOf } from '../words.ts';
import { packFacts } from '../../formats/manifest/make.ts';
import { MANIFEST_SUFFIX } from '../../device/http/manifest.ts';
import { type Manifest, readManifest } from '../../formats/manifest/read.ts';
import { examineImage, type ImageFacts } from '../../formats/manifest/tree.ts';

/** Why a request gets no file. */
export class Refusal extends Error {
  override name = 'Refusal';
  /** HTTP status code. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A file or directory that may be handed out. */
export interface Entry {
  /** Its path, all links resolved. */
  path: string;
  stats: BigIntStats;
}

/** What there is to know of an image. */
export interface Image {
  name: string;
  size: number;
  /** Why no board can be updated to it; undefined: it can. */
  refused?: string;
  manifest?: ServedManifest | undefined;
}

/** The manifest that is handed out for an image. */
export interface ServedManifest extends Entry {
  content: Manifest;
  /** Why it is not the one that is stored; undefined: it is. */
  whyMade?: string;
}

/** What a file holds: a strong ETag, and, if it can be an image, what follows from it. */
interface Known {
  etag: string;
  facts: ImageFacts | ManifestError;
}

const isManifestName = (name: string) => name.endsWith(MANIFEST_SUFFIX);
/** Dot files, and dots that lead up. */
const isHidden = (name: string) => name.startsWith('.');

/** @returns what changes when a file does. */
function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].map((value) => value.toString(36)).join('-');
}

async function contentOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch {
    throw new Refusal(403, 'not readable');
  }
}

/** @returns the names in a path of a URL. @throws Refusal */
export function segmentsOf(path: string): string[] {
  if (!path.startsWith('/')) throw new Refusal(400, 'the path does not begin with "/"');
  return path
    .slice(1)
    .split('/')
    .map((segment) => {
      let name: string;
      try {
        name = decodeURIComponent(segment);
      } catch {
        throw new Refusal(400, 'the path is not percent-encoded UTF-8');
      }
      if (/[/\\\0]/.test(name)) throw new Refusal(400, 'a name has a slash or NUL in it');
      return name;
    });
}

/** What was found out about files, as long as nothing has changed there. */
class Memory<T> {
  readonly #found = new Map<string, { stamp: string; value: Promise<T> }>();

  /** @param stamp - changes when `find` would find something else */
  get(name: string, stamp: string, find: (stamp: string) => Promise<T>): Promise<T> {
    const before = this.#found.get(name);
    if (before?.stamp === stamp) return before.value;
    const value = find(stamp);
    this.#found.set(name, { stamp, value });
    // What could not be read may be readable next time.
    value.catch(() => this.#found.delete(name));
    return value;
  }
}

/** A directory whose files are handed out, and manifests for those that have none. */
export class Files {
  readonly #root: string;
  readonly #known = new Memory<Known>();
  readonly #manifests = new Memory<ServedManifest>();
  /** Where manifests go that are made here: what serves files serves them, too. */
  #made: string | undefined;
  #count = 0;

  /** @throws InputError if there is no such directory */
  constructor(directory: string) {
    const stats = statSync(directory, { throwIfNoEntry: false });
    if (!stats) throw new InputError(`${directory}: no such directory`);
    if (!stats.isDirectory()) throw new InputError(`${directory}: is not a directory`);
    this.#root = realpathSync(directory);
  }

  /** Removes what was made here. */
  close(): void {
    if (this.#made !== undefined) rmSync(this.#made, { recursive: true, force: true });
    this.#made = undefined;
  }

  /**
   * Finds what a path of names leads to. A last name that is empty stands for a directory.
   * @throws Refusal
   */
  async find(names: string[]): Promise<Entry> {
    const inner = names.at(-1) === '' ? names.slice(0, -1) : names;
    if (inner.some((name) => !name || isHidden(name))) throw new Refusal(404, 'not found');
    let path: string;
    let stats: BigIntStats;
    try {
      path = await realpath(join(this.#root, ...inner));
      stats = await stat(path, { bigint: true });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw code === 'EACCES' || code === 'EPERM'
        ? new Refusal(403, 'not readable')
        : new Refusal(404, 'not found');
    }
    // A link may lead anywhere.
    const real = relative(this.#root, path);
    if (isAbsolute(real) || real.split(sep).some(isHidden)) throw new Refusal(404, 'not found');
    if (!stats.isFile() && !stats.isDirectory()) throw new Refusal(404, 'not found');
    if (stats.isFile() && inner.length < names.length) throw new Refusal(404, 'not found');
    return { path, stats };
  }

  async #tryFind(names: string[]): Promise<Entry | undefined> {
    try {
      const entry = await this.find(names);
      return entry.stats.isFile() ? entry : undefined;
    } catch (error) {
      if (error instanceof Refusal) return undefined;
      throw error;
    }
  }

  /** @returns what a file holds; reads it only if it has changed. @throws Refusal */
  know({ path, stats }: Entry): Promise<Known> {
    return this.#known.get(path, stampOf(stats), async (stamp) => {
      if (stats.size > IMAGE_LIMIT) {
        const [size, limit] = [Number(stats.size), IMAGE_LIMIT];
        const facts = new ManifestError('E_IMAGE_SIZE', { size, limit });
        return { etag: `"${stamp}"`, facts };
      }
      const bytes = await contentOf(path);
      try {
        const facts = examineImage(bytes);
        return { etag: `"${facts.digest}"`, facts };
      } catch (error) {
        if (error instanceof ManifestError)
          return { etag: `"${toHex(sha256(bytes))}"`, facts: error as ManifestError };
        throw error;
      }
    });
  }

  /**
   * Finds the manifest of an image: the stored one if it is of this very image, else one made here.
   * @param names - of the image
   * @returns undefined if there is no such image
   * @throws Refusal if it can have no manifest, or the stored one is damaged
   */
  async manifestOf(names: string[]): Promise<ServedManifest | undefined> {
    const name = names.at(-1)! + MANIFEST_SUFFIX;
    const image = isManifestName(names.at(-1)!) ? undefined : await this.#tryFind(names);
    if (!image) return undefined;
    const { facts } = await this.know(image);
    const stored = await this.#tryFind([...names.slice(0, -1), name]);
    const stamp = [image, stored].map((entry) => entry && stampOf(entry.stats)).join();
    return this.#manifests.get(names.join('/'), stamp, async () => {
      if (facts instanceof ManifestError) throw new Refusal(404, wordingOf(facts)!.message);
      if (!stored) return this.#make(facts, '', `there is no ${name}`);
      const bytes = await contentOf(stored.path);
      let content: Manifest;
      try {
        content = readManifest(bytes);
      } catch (error) {
        // Only it knew which partition the image is for: one without a label would be taken by any.
        const why = `${name}: ${wordingOf(error)!.message}`;
        throw new Refusal(404, `${why}; make it again by part-ota pack`);
      }
      if (content.digest === facts.digest) return { ...stored, content };
      // It is for the same partition, but its version is that of another image.
      return this.#make(facts, content.partition, `${name} is of another image`);
    });
  }

  async #make(facts: ImageFacts, partition: string, whyMade: string): Promise<ServedManifest> {
    const bytes = packFacts(facts, { partition });
    this.#made ??= mkdtempSync(join(realpathSync(tmpdir()), 'part-ota-'));
    const path = join(this.#made, `${++this.#count}${MANIFEST_SUFFIX}`);
    await writeFile(path, bytes);
    const stats = await stat(path, { bigint: true });
    return { path, stats, content: readManifest(bytes), whyMade };
  }

  /** Lists a directory, by name: its files but for the manifests, and its directories. @throws Refusal */
  async list(names: string[]): Promise<{ images: Image[]; directories: string[] }> {
    const { path } = await this.find(names);
    const images: Image[] = [];
    const directories: string[] = [];
    const listed = await readdir(path).catch(() => {
      throw new Refusal(403, 'not readable');
    });
    for (const name of listed.sort()) {
      const inner = [...names.slice(0, -1), name];
      try {
        const entry = await this.find(inner);
        if (entry.stats.isDirectory()) directories.push(name);
        else if (!isManifestName(name)) images.push(await this.#describe(inner, entry));
      } catch (error) {
        // What is not handed out is not listed either.
        if (!(error instanceof Refusal)) throw error;
      }
    }
    return { images, directories };
  }

  async #describe(names: string[], entry: Entry): Promise<Image> {
    const { facts } = await this.know(entry);
    const image = { name: names.at(-1)!, size: Number(entry.stats.size) };
    if (facts instanceof ManifestError) return { ...image, refused: wordingOf(facts)!.message };
    try {
      return { ...image, manifest: await this.manifestOf(names) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { ...image, refused: error.message };
    }
  }
}
