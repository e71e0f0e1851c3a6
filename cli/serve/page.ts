/** The page that lists what a server has, with a script for the board. */
import { LABEL_BYTES } from '../../device/http/manifest.ts';
import type { Files, Image } from './files.ts';
import { grouped } from '../words/format.ts';

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escape = (text: string) => text.replace(/[&<>"']/g, (character) => ESCAPES[character]);

const STYLE = `
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  section { border-top: 1px solid #8888; margin-top: 1.5rem; }
  dt { float: left; clear: left; width: 6rem; opacity: 0.7; }
  dd { margin-left: 6rem; overflow-wrap: anywhere; }
  pre { padding: 0.75rem; background: #8882; overflow-x: auto; user-select: all; }`;

/** @returns a string of JavaScript that any reader takes, also one without Unicode. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** @returns the label that the manifest names, else one that the file's name suggests. */
function labelOf({ name, manifest }: Image): string {
  if (manifest?.content.partition) return manifest.content.partition;
  return /^[\w-]*/.exec(name)![0].slice(0, LABEL_BYTES) || 'storage';
}

/** @returns what a board runs to update. */
function scriptOf(image: Image, url: string): string {
  return [
    'require("ota-http").update({',
    `  url: ${quote(url)},`,
    `  partition: ${quote(labelOf(image))},`,
    `  digest: ${quote(image.manifest!.content.digest)}`,
    '}).then(function (result) {',
    '  print(result.state);',
    '}, function (error) {',
    '  print(error.code, error.message);',
    '});',
  ].join('\n');
}

function manifestText({ name, manifest }: Image): string {
  const { content, whyMade } = manifest!;
  const link = `<a href="./${encodeURIComponent(name)}.ota">${grouped(content.length)} bytes</a>`;
  const facts = [
    whyMade === undefined ? 'yes' : `no, one is made when it is asked for: ${escape(whyMade)}`,
    content.version && `version ${escape(content.version)}`,
    content.partition && `for partition ${escape(content.partition)}`,
  ].filter(Boolean);
  return `${link}; ${facts.join('; ')}`;
}

function imageHtml(image: Image, base: string): string {
  const { name, size, refused, manifest } = image;
  const rows = [['size', `${grouped(size)} bytes`]];
  if (refused !== undefined) rows.push(['update', `no: ${escape(refused)}`]);
  if (manifest)
    rows.push(
      ['digest', `<code>${manifest.content.digest}</code>`],
      ['manifest', manifestText(image)],
    );
  const list = rows.map(([term, text]) => `<dt>${term}</dt><dd>${text}</dd>`).join('\n');
  const script = manifest && escape(scriptOf(image, base + encodeURIComponent(name)));
  return `<section>
<h2><a href="./${encodeURIComponent(name)}">${escape(name)}</a></h2>
<dl>
${list}
</dl>
${script === undefined ? '' : `<pre title="click selects all of it">${script}</pre>`}
</section>`;
}

/**
 * @param names - of the directory; the last one is empty
 * @param origin - of this server, as a board calls it
 */
export function makePage(
  names: string[],
  { images, directories }: Awaited<ReturnType<Files['list']>>,
  origin: string,
): string {
  const path = names.slice(0, -1).map((name) => `${encodeURIComponent(name)}/`);
  const base = `${origin}/${path.join('')}`;
  const title = `/${names.join('/')}`;
  const links = directories.map(
    (name) => `<li><a href="./${encodeURIComponent(name)}/">${escape(name)}/</a></li>`,
  );
  if (names.length > 1) links.unshift('<li><a href="../">../</a></li>');
  const body = images.map((image) => imageHtml(image, base)).join('\n');
  return `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escape(title)} - part-ota</title>
<style>${STYLE}
</style>
<h1>${escape(title)}</h1>
<ul>
${links.join('\n')}
</ul>
${body || '<p>There is no image here.</p>'}
</html>
`;
}
