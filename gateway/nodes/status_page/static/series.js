// The history of a meter as the page keeps it: a list for each quantity, completed with new buckets as they come.

// Buckets of the last hour or day; `merge` takes a response of the API and returns whether a bucket has ended.
export function series() {
  let data = null;
  return {
    get data() { return data; },
    // The time from which on buckets are asked for: the newest one again, as it may not have ended.
    get since() {
      if (!data || !lengthOf(data)) return 0;
      return data.first + (lengthOf(data) - 1) * data.bucket_s;
    },
    merge(newer) {
      if (!data || data.meter !== newer.meter || data.bucket_s !== newer.bucket_s || !lengthOf(data)) {
        data = newer;
        return true;
      }
      const size = lengthOf(data);
      const at = Math.round((newer.first - data.first) / data.bucket_s);
      if (at < 0 || at > size) {
        data = newer;
        return true;
      }
      const grown = Math.max(0, at + lengthOf(newer) - size);
      const columns = {};
      for (const [name, column] of Object.entries(newer.columns)) columns[name] = [...data.columns[name].slice(0, at), ...column].slice(grown);
      data = { ...newer, first: data.first + grown * data.bucket_s, columns };
      return grown > 0;
    },
  };
}

function lengthOf({ columns }) {
  return columns.telegrams.length;
}

// One point for each bucket, with its moment (the middle) and the values of some columns under other names.
export function pointsOf(data, names) {
  const entries = Object.entries(names).map(([name, column]) => [name, data.columns[column]]);
  return data.columns.telegrams.map((telegrams, index) => {
    const point = { at: data.first + (index + 0.5) * data.bucket_s, telegrams };
    for (const [name, column] of entries) point[name] = column ? column[index] : null;
    return point;
  });
}

export function isKnown({ telegrams }) {
  return telegrams !== null && telegrams > 0;
}

// The points from the first known one on: before it, this gateway was not there to measure.
export function fromFirst(points) {
  const first = points.findIndex(isKnown);
  return first < 0 ? [] : points.slice(first);
}
