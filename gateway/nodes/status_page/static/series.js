// The history of a meter as the page keeps it: a list for each quantity, completed with new buckets as they come.

// Buckets of the last hour or day; `merge` takes a response of the API and returns whether a bucket has ended.
export function series() {
  let data = null;
  const size = ({ columns }) => columns.telegrams.length;
  return {
    get data() { return data; },
    // The time from which on buckets are asked for: the newest one again, as it may not have ended.
    get since() { return data && size(data) ? data.first + (size(data) - 1) * data.bucket_s : 0; },
    merge(newer) {
      const isOther = !data || data.meter !== newer.meter || data.bucket_s !== newer.bucket_s || !size(data);
      const at = isOther ? -1 : Math.round((newer.first - data.first) / data.bucket_s);
      if (at < 0 || at > size(data)) {
        data = newer;
        return true;
      }
      const grown = Math.max(0, at + size(newer) - size(data));
      const columns = Object.entries(newer.columns).map(([name, column]) => [name, [...data.columns[name].slice(0, at), ...column].slice(grown)]);
      data = { ...newer, first: data.first + grown * data.bucket_s, columns: Object.fromEntries(columns) };
      return grown > 0;
    },
  };
}

// One point for each bucket from the first known one on: before it, this gateway was not there to measure.
// A point has the moment in the middle of its bucket, and the values of some columns under other names.
export function pointsOf({ first, bucket_s: length, columns }, names) {
  const points = columns.telegrams.map((telegrams, index) => {
    const values = Object.entries(names).map(([name, column]) => [name, columns[column]?.[index] ?? null]);
    return { at: first + (index + 0.5) * length, telegrams, ...Object.fromEntries(values) };
  });
  const begin = points.findIndex(isKnown);
  return begin < 0 ? [] : points.slice(begin);
}

export function isKnown({ telegrams }) {
  return telegrams > 0;
}
