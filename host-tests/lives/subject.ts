/** The modules that lives are lived with: those which `SUBJECT` names. */
import { buildHttp, makerOf, sourceOfHttp, sourceOfOta } from '../support/subject.ts';
import { makerOfHttp } from './air.ts';
import type { Modules } from './play.ts';

await buildHttp();

export const modulesOfSubject = (): Modules => ({
  ota: makerOf(sourceOfOta()),
  http: makerOfHttp(sourceOfHttp()),
});
