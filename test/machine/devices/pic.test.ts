import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pic } from '../../../spec/src/machine/devices/pic.ts';

/** Both chips at vectors 20h and 28h. */
function initialized({ icw4 = 1, slaveIcw4 = 1, mask = 0 } = {}): Pic {
  const pic = new Pic();
  for (const [port, value] of [
    [0x20, 0x11], [0x21, 0x20], [0x21, 4], [0x21, icw4], [0x21, mask], [0xa0, 0x11], [0xa1, 0x28], [0xa1, 2], [0xa1, slaveIcw4], [0xa1, mask],
  ] as const) pic.write(port, 1, value);
  return pic;
}
const raise = (pic: Pic, ...irqs: number[]): void => irqs.forEach((irq) => pic.setLine(irq, true));
const lower = (pic: Pic, ...irqs: number[]): void => irqs.forEach((irq) => pic.setLine(irq, false));
const readIsr = (pic: Pic, port = 0x20): number => {
  pic.write(port, 1, 0x0b);
  return pic.read(port);
};
const readIrr = (pic: Pic, port = 0x20): number => {
  pic.write(port, 1, 0x0a);
  return pic.read(port);
};
const EOI = 0x20, SPECIFIC = 0x60;

describe('8259A', () => {
  test('without initialization nothing is pending, and the mask keeps all out', () => {
    const pic = new Pic();
    raise(pic, 1);
    expect(pic.pending()).toBe(false);
  });

  test('fixed priorities: 0 first, then the slave at 2, then 3; a lower one waits for the EOI', () => {
    const pic = initialized();
    raise(pic, 3, 9, 1);
    expect(pic.acknowledge()).toBe(0x21);
    expect(pic.pending()).toBe(false);
    pic.write(0x20, 1, EOI);
    expect(pic.acknowledge()).toBe(0x29);
    expect([readIsr(pic), readIsr(pic, 0xa0)]).toEqual([4, 2]);
    pic.write(0xa0, 1, EOI);
    pic.write(0x20, 1, EOI);
    expect(pic.acknowledge()).toBe(0x23);
  });

  test('a higher one interrupts the service of a lower one', () => {
    const pic = initialized();
    raise(pic, 5);
    pic.acknowledge();
    raise(pic, 4);
    expect(pic.acknowledge()).toBe(0x24);
    expect(readIsr(pic)).toBe(0x30);
    pic.write(0x20, 1, EOI); // ends the higher one
    expect(readIsr(pic)).toBe(0x20);
  });

  test('an edge is one request, however long the line stays high', () => {
    const pic = initialized();
    raise(pic, 1);
    pic.acknowledge();
    pic.write(0x20, 1, EOI);
    expect(pic.pending()).toBe(false);
    lower(pic, 1);
    raise(pic, 1);
    expect(pic.pending()).toBe(true);
  });

  test('a level is a request as long as it lasts; ELCR keeps 0, 1, 2, 8 and 13 edge-triggered', () => {
    const pic = initialized();
    pic.write(0x4d0, 1, 0xff);
    pic.write(0x4d1, 1, 0xff);
    expect([pic.read(0x4d0), pic.read(0x4d1)]).toEqual([0xf8, 0xde]);
    raise(pic, 5);
    pic.acknowledge();
    pic.write(0x20, 1, EOI);
    expect(pic.pending()).toBe(true);
    lower(pic, 5);
    expect(pic.pending()).toBe(false);
  });

  test('a request that goes away before it is acknowledged is IR7, with no bit in service', () => {
    const pic = initialized();
    raise(pic, 4);
    lower(pic, 4);
    expect(pic.pending()).toBe(false);
    expect([pic.acknowledge(), readIsr(pic)]).toEqual([0x27, 0]);
  });

  test('masked requests are kept, and come when the mask goes', () => {
    const pic = initialized({ mask: 0xff });
    raise(pic, 6);
    expect([pic.pending(), readIrr(pic), pic.read(0x21)]).toEqual([false, 0x40, 0xff]);
    pic.write(0x21, 1, 0xbf);
    expect(pic.acknowledge()).toBe(0x26);
  });

  test('specific EOI ends the level it names', () => {
    const pic = initialized();
    raise(pic, 5);
    pic.acknowledge();
    raise(pic, 1);
    pic.acknowledge();
    pic.write(0x20, 1, SPECIFIC | 5);
    expect(readIsr(pic)).toBe(2);
  });

  test('automatic EOI leaves nothing in service; with rotation the level served becomes the lowest', () => {
    const pic = initialized({ icw4: 3, slaveIcw4: 3 });
    pic.write(0x20, 1, 0x80);
    raise(pic, 3, 4, 5);
    expect([pic.acknowledge(), readIsr(pic)]).toEqual([0x23, 0]);
    lower(pic, 3);
    raise(pic, 3);
    expect([pic.acknowledge(), pic.acknowledge(), pic.acknowledge()]).toEqual([0x24, 0x25, 0x23]);
  });

  test('rotation: by EOI, by specific EOI, and by the set-priority command', () => {
    const pic = initialized();
    raise(pic, 0);
    pic.acknowledge();
    pic.write(0x20, 1, 0xa0); // rotate on non-specific EOI: 0 is lowest now
    lower(pic, 0);
    raise(pic, 0, 7);
    expect(pic.acknowledge()).toBe(0x27);
    pic.write(0x20, 1, 0xe0 | 3); // rotate on specific EOI of 3: 4 is highest, 7 stays in service
    expect(readIsr(pic)).toBe(0x80);
    raise(pic, 5, 3);
    expect(pic.acknowledge()).toBe(0x25);
    pic.write(0x20, 1, 0xc0 | 4); // set priority: 5 is highest
    raise(pic, 6);
    expect(pic.pending()).toBe(false);
  });

  test('special mask: a masked level in service keeps nothing out, and a non-specific EOI passes over it', () => {
    const pic = initialized();
    raise(pic, 1);
    pic.acknowledge();
    pic.write(0x21, 1, 2);
    raise(pic, 5);
    expect(pic.pending()).toBe(false);
    pic.write(0x20, 1, 0x68);
    expect(pic.acknowledge()).toBe(0x25);
    pic.write(0x20, 1, EOI);
    expect(readIsr(pic)).toBe(2);
    pic.write(0x20, 1, 0x48);
    pic.write(0x20, 1, EOI);
    expect(readIsr(pic)).toBe(0);
  });

  test('special full nesting: the slave interrupts its own service with a higher level', () => {
    for (const [icw4, nested] of [[0x11, true], [1, false]] as const) {
      const pic = initialized({ icw4 });
      raise(pic, 12);
      expect(pic.acknowledge()).toBe(0x2c);
      raise(pic, 9);
      expect([pic.pending(), pic.acknowledge()]).toEqual([nested, nested ? 0x29 : 0x27]);
    }
  });

  test('polling answers the level and serves it; with nothing to serve, 0', () => {
    const pic = initialized();
    raise(pic, 3);
    pic.write(0x20, 1, 0x0c);
    expect([pic.read(0x20), readIsr(pic)]).toEqual([0x83, 8]);
    pic.write(0x20, 1, 0x0c);
    expect(pic.read(0x20)).toBe(0);
  });

  test('ICW1 clears mask, service and edges, keeps levels, and waits for its words', () => {
    const pic = initialized();
    pic.write(0x4d0, 1, 0x20);
    raise(pic, 1, 4, 5);
    pic.acknowledge();
    pic.write(0x20, 1, 0x11);
    expect(pic.pending()).toBe(false);
    for (const value of [0x40, 4, 1]) pic.write(0x21, 1, value);
    expect([pic.read(0x21), readIsr(pic), readIrr(pic)]).toEqual([0, 0, 0x20]);
    expect(pic.acknowledge()).toBe(0x45);
  });

  test('without ICW4 the mode is that of the 8080, which is not modelled', () => {
    const pic = new Pic();
    for (const [port, value] of [[0x20, 0x12], [0x21, 0x20], [0x21, 0]] as const) pic.write(port, 1, value);
    raise(pic, 1);
    expect(() => pic.acknowledge()).toThrow(/MCS-80\/85 mode/);
  });
});

/** One chip by the plainest reading of the data sheet: a list of levels in order of priority. */
class Reference {
  irr = 0;
  imr = 0;
  lines = 0;
  order = [0, 1, 2, 3, 4, 5, 6, 7];
  serving: number[] = [];
  setLine(level: number, high: boolean): void {
    const bit = 1 << level;
    if (!high) this.irr &= ~bit;
    else if (!(this.lines & bit)) this.irr |= bit;
    this.lines = high ? this.lines | bit : this.lines & ~bit;
  }
  get request(): number | undefined {
    for (const level of this.order) {
      if (this.serving.includes(level)) return undefined;
      if (this.irr & ~this.imr & (1 << level)) return level;
    }
    return undefined;
  }
  acknowledge(): number {
    const level = this.request;
    if (level === undefined) return 7;
    this.irr &= ~(1 << level);
    this.serving.push(level);
    return level;
  }
  end(level: number | undefined, rotate: boolean): void {
    const ended = level ?? this.order.find((each) => this.serving.includes(each));
    if (ended === undefined) return;
    this.serving = this.serving.filter((each) => each !== ended);
    if (!rotate) return;
    const at = this.order.indexOf(ended) + 1;
    this.order = [...this.order.slice(at), ...this.order.slice(0, at)];
  }
}

const action = fc.oneof(
  fc.record({ kind: fc.constant('line' as const), level: fc.constantFrom(0, 1, 3, 4, 5, 6, 7), high: fc.boolean() }),
  fc.record({ kind: fc.constant('mask' as const), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant('acknowledge' as const) }),
  fc.record({ kind: fc.constant('end' as const), level: fc.option(fc.integer({ min: 0, max: 7 }), { nil: undefined }), rotate: fc.boolean() }),
);

describe('8259A against a list of priorities', () => {
  test('any sequence of lines, masks, acknowledgements and EOIs; and from any snapshot on', () => {
    fc.assert(fc.property(fc.array(action, { maxLength: 60 }), fc.nat(60), (actions, restart) => {
      let pic = initialized();
      const reference = new Reference();
      const vectors: [number, number][] = [];
      actions.forEach((each, n) => {
        if (n === restart) {
          const copy = new Pic();
          copy.restore(pic.snapshot());
          pic = copy;
        }
        if (each.kind === 'line') {
          pic.setLine(each.level, each.high);
          reference.setLine(each.level, each.high);
        } else if (each.kind === 'mask') {
          pic.write(0x21, 1, each.value);
          reference.imr = each.value;
        } else if (each.kind === 'acknowledge') {
          vectors.push([pic.acknowledge() - 0x20, reference.acknowledge()]);
        } else {
          pic.write(0x20, 1, (each.rotate ? 0x80 : 0) | (each.level === undefined ? EOI : SPECIFIC | each.level));
          reference.end(each.level, each.rotate);
        }
        expect(pic.pending()).toBe(reference.request !== undefined);
        expect(readIsr(pic)).toBe(reference.serving.reduce((bits, level) => bits | (1 << level), 0));
        expect(readIrr(pic)).toBe(reference.irr);
      });
      expect(vectors.map(([vector]) => vector)).toEqual(vectors.map(([, expected]) => expected));
    }), { numRuns: 300 });
  });
});
