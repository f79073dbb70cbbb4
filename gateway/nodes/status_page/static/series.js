// The history of a meter as the page keeps it: a point for each bucket of the gateway, completed as buckets end.

const ASK_AFTER_S = 10; // the length of the shortest bucket
const REDRAW_S = 10; // the axis of time moves on, whether telegrams come or not
const SPANS = { hour: 3600, day: 86_400 };

// The last hour or day of the meter that is shown.
export function series(range) {
  const span = SPANS[range];
  let [meter, points, bucketS, askAt] = [null, [], 0, 0];

  return {
    // Asks the gateway for what is new, and returns whether there was a response.
    async follow(gateway, name) {
      if (name !== meter) [meter, points, askAt] = [name, [], 0];
      if (gateway.event.at < askAt) return false;
      // The newest bucket is asked for again, as it may not have ended.
      const since = points.length ? points.at(-1).at - bucketS / 2 : 0;
      const newer = await gateway.get("api/series", { meter: name, range, since });
      bucketS = newer.bucket_s;
      askAt = newer.at + ASK_AFTER_S;
      points = [...points.filter(({ at }) => at < newer.first), ...pointsOf(newer)].filter(({ at }) => at > newer.at - span);
      // Before the first known bucket, this gateway was not there to measure.
      points.splice(0, points.findIndex(isKnown));
      return true;
    },
    // What is known of a meter at a moment: points up to `end`, which is now only while the readings are fresh. With the same
    // `key`, it looks the same.
    known({ name, at, age, isServed, late_after_s: late }) {
      const own = name === meter ? points : [];
      const end = isServed ? at : age === null ? (own.findLast(isKnown)?.at ?? 0) + bucketS / 2 : at - age;
      const shown = own.filter((point) => point.at > at - span && point.at - bucketS / 2 < end);
      const key = [name, shown[0]?.at, shown.length, Math.floor(at / REDRAW_S), isServed];
      return { key, at, span, end, isServed, late, bucketS, points: shown.map((point) => (point.at > end ? { ...point, at: end } : point)) };
    },
  };
}

// A point has the moment in the middle of its bucket and the values of all columns, NaN for what was not measured.
function pointsOf({ first, bucket_s: length, columns }) {
  return columns.telegrams.map((_, index) => {
    const values = Object.entries(columns).map(([name, column]) => [name, column[index] ?? NaN]);
    return { at: first + (index + 0.5) * length, ...Object.fromEntries(values) };
  });
}

export function isKnown({ telegrams }) {
  return telegrams > 0;
}
