/** How the module on a board is used. */
import type { Progress, Report } from '../device/api.ts';
import { Fault } from '../formats/errors.ts';
import { askBoard, OTA } from './facts.ts';
import type { RunOptions, Session } from './session.ts';
import { checked, exactly, isProgress, isReport } from './shapes.ts';

/** Calls of the module that need no image. */
export type Call = 'recover' | 'restore' | 'confirm';

/** Why the module cannot be called. */
export interface ModuleFacts {
  E_NO_MODULE: { port: string; name: string };
}

/** The module cannot be called. */
export class ModuleError extends Fault<ModuleFacts> {
  override name = 'ModuleError';
}

/**
 * Runs a script that has the module as `o`, and frees its memory afterwards unless the app has it, too.
 * @param body - as in Session.run; no promise
 */
export function withModule(session: Session, body: string, options?: RunOptions): Promise<unknown> {
  const script =
    `var h=Modules.getCached().indexOf("${OTA}")>=0,o=require("${OTA}");` +
    `try{${body}}finally{if(!h)Modules.removeCached("${OTA}")}`;
  return session.run(script, options);
}

/** @returns the name of the port. @throws ModuleError if the module is not on the board */
async function needModule(session: Session): Promise<string> {
  const { name: port } = session.port;
  const { files } = await askBoard(session);
  if (!files[OTA]) throw new ModuleError('E_NO_MODULE', { port, name: OTA });
  return port;
}

/**
 * Makes one of the calls.
 * @param onProgress - hears of each sector that is put back
 * @throws ModuleError if the module is not on the board; PortError, BoardError
 */
export async function callModule(
  session: Session,
  call: Call,
  onProgress: (progress: Progress) => void,
): Promise<Report> {
  const port = await needModule(session);
  const options = call === 'confirm' ? '' : '{onProgress:function(p){say(p)}}';
  const report = await withModule(session, `return o.${call}(${options})`, {
    onSay: (progress) => onProgress(checked(port, progress, isProgress)),
  });
  return checked(port, report, isReport);
}

/** What `forget` has given up, as `status` told just before, and what it reports. */
export interface Forgotten {
  before: Report;
  report: Report;
}

/**
 * Gives up what the journal knows.
 * @throws ModuleError if the module is not on the board; PortError, BoardError
 */
export async function forgetJournal(session: Session): Promise<Forgotten> {
  const port = await needModule(session);
  const reports = await withModule(session, 'var b=o.status();return[b,o.forget()]');
  const [before, report] = checked(port, reports, exactly(2, isReport));
  return { before, report };
}
