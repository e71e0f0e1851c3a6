/** How the module on a board is used. */
import type { Progress, Report } from '../device/api.ts';
import { Fault } from '../formats/errors.ts';
import { askBoard, OTA } from './facts.ts';
import type { RunOptions, Session } from './session.ts';
import { checked, isProgress, isReport } from './shapes.ts';

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
  const { name: port } = session.port;
  const { files } = await askBoard(session);
  if (!files[OTA]) throw new ModuleError('E_NO_MODULE', { port, name: OTA });
  const options = call === 'confirm' ? '' : '{onProgress:function(p){say(p)}}';
  const report = await withModule(session, `return o.${call}(${options})`, {
    onSay: (progress) => onProgress(checked(port, progress, isProgress)),
  });
  return checked(port, report, isReport);
}
