/** The module that lives are lived with: that which `SUBJECT` names. */
import { makerOf, sourceOfOta } from '../support/subject.ts';
import type { MakeOta } from './play.ts';

export const makerOfSubject = (): MakeOta => makerOf(sourceOfOta());
