// Draws where a word looked: a small grid of shares becomes a smooth colored veil over the picture.

// Dark violet, magenta, orange, pale yellow: its lightness only rises, so it reads without color too.
const STOPS = [
  [0.0, 13, 8, 42],
  [0.25, 87, 16, 110],
  [0.5, 188, 55, 84],
  [0.75, 249, 142, 9],
  [1.0, 252, 245, 160],
];

// A grid that is nearly even has no peak to show; below this many times its mean it stays pale.
const CLEAR_PEAK = 3;

// The picture's own light shows through least where the word looked away.
const ALPHA_LOW = 0.58;
const ALPHA_HIGH = 0.68;

const PIXELS_WIDE = 288;

// Cubic B-spline: smooth and never negative, so no ringing invents places nobody looked at.
function taps(length, cells) {
  return Array.from({ length }, (_, position) => {
    const at = ((position + 0.5) / length) * cells - 0.5;
    const base = Math.floor(at);
    const t = at - base;
    const weights = [(1 - t) ** 3, 3 * t ** 3 - 6 * t ** 2 + 4, -3 * t ** 3 + 3 * t ** 2 + 3 * t + 1, t ** 3];
    return weights.map((weight, tap) => {
      const index = Math.min(cells - 1, Math.max(0, base - 1 + tap));
      return [index, weight / 6];
    });
  });
}

function color(value) {
  const upper = Math.max(1, STOPS.findIndex(([stop]) => value <= stop));
  const [low, high] = [STOPS[upper - 1], STOPS[upper]];
  const share = (value - low[0]) / (high[0] - low[0]);
  return [1, 2, 3].map((channel) => low[channel] + share * (high[channel] - low[channel]));
}

const TABLE = Array.from({ length: 256 }, (_, level) => color(level / 255));

// Grids of words, each weighted by the word's share of the match, as one grid.
export function combine(words) {
  const total = words.reduce((sum, word) => sum + word.weight, 0) || 1;
  const { grid } = words[0];
  return grid.map((row, y) =>
    row.map((_, x) => words.reduce((sum, word) => sum + (word.weight / total) * word.grid[y][x], 0)),
  );
}

// Shares become 0..1: 0 where a word looked less than evenly spread, 1 at its peak.
function levels(grid) {
  const cells = grid.length * grid[0].length;
  const times = grid.map((row) => row.map((share) => share * cells));
  const peak = Math.max(CLEAR_PEAK, ...times.flat());
  return times.map((row) => row.map((value) => Math.max(0, value - 0.6) / (peak - 0.6)));
}

export function draw(canvas, grid, ratio) {
  const width = PIXELS_WIDE;
  const height = Math.max(24, Math.round(width / ratio));
  canvas.width = width;
  canvas.height = height;
  const values = levels(grid);
  const [columns, rows] = [taps(width, grid[0].length), taps(height, grid.length)];
  // First along the rows of the grid, then down the columns of the picture.
  const across = values.map((row) =>
    columns.map((tap) => tap.reduce((sum, [index, weight]) => sum + weight * row[index], 0)),
  );
  const image = new ImageData(width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const value = rows[y].reduce((sum, [index, weight]) => sum + weight * across[index][x], 0);
      const level = Math.min(1, value ** 0.8);
      const [red, green, blue] = TABLE[Math.round(level * 255)];
      const alpha = ALPHA_LOW + (ALPHA_HIGH - ALPHA_LOW) * level;
      image.data.set([red, green, blue, alpha * 255], (y * width + x) * 4);
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
