/**
 * The calendar of the real-time clock, on its raw registers. Motorola MC146818A data sheet (ADI856R2, 1984), table 2
 * and "Update cycle".
 */

export interface CalendarFormat {
  readonly binary: boolean;
  readonly hours24: boolean;
}

const SECOND = 0, MINUTE = 2, HOUR = 4, WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9;
const PM = 0x80;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** The registers one second later. Years that 4 divides are leap years: two digits know no other rule. */
export function nextSecond(bytes: number[], { binary, hours24 }: CalendarFormat): void {
  const get = (register: number): number =>
    (binary ? bytes[register]! : (bytes[register]! >> 4) * 10 + (bytes[register]! & 15));
  const set = (register: number, value: number): void => {
    bytes[register] = binary ? value : Number.parseInt(String(value), 16);
  };
  /** Counts up; true when it starts over. */
  const next = (register: number, first: number, last: number): boolean => {
    const over = get(register) >= last;
    set(register, over ? first : get(register) + 1);
    return over;
  };
  const nextHour = (): boolean => {
    if (hours24) return next(HOUR, 0, 23);
    const afternoon = bytes[HOUR]! & PM;
    bytes[HOUR]! &= ~PM;
    const noon = get(HOUR) === 11;
    next(HOUR, 1, 12);
    bytes[HOUR]! |= noon ? afternoon ^ PM : afternoon;
    return noon && afternoon !== 0;
  };
  const days = (): number => (get(MONTH) === 2 && get(YEAR) % 4 === 0 ? 29 : DAYS[get(MONTH) - 1] ?? 31);
  if (!next(SECOND, 0, 59) || !next(MINUTE, 0, 59) || !nextHour()) return;
  next(WEEKDAY, 1, 7);
  if (next(DAY, 1, days()) && next(MONTH, 1, 12)) next(YEAR, 0, 99);
}
