/** Task switching. SDM vol. 3A, chapter 7. */

export { type TaskSwitch, switchTask } from './switch.ts';
