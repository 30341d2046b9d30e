use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::Seed;

/// An isolation forest (Liu, Ting, Zhou 2008): rows that random cuts separate early are unusual.
///
/// One cut in three is not random but the best of a few random ones, by how much it lowers the pooled standard
/// deviation of the column (Cortes 2021, fair-cut forest). Such cuts separate groups of rows from each other,
/// and a small dense group of abusers no longer passes for usual because its rows have each other's company.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    /// All trees, one after the other; the children of a cut lie side by side.
    nodes: Vec<Node>,
    roots: Vec<u32>,
    /// Mean depth that a tree of this many rows would have.
    usual_depth: f64,
}

/// A cut when `children` is not 0: values up to `value` go to `children`, others to the node after it.
/// Otherwise a leaf whose `value` is the depth it stands for. Eight bytes, so that a forest stays in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Node {
    value: f32,
    column: u16,
    /// Counted from the root of the tree.
    children: u16,
}

/// The rows of one tree, gathered so that the values of a column lie side by side; in single precision like the
/// cuts.
struct Sample {
    values: Vec<f32>,
    width: usize,
    size: usize,
    /// [`mean_depth`] of so many rows.
    depths: Vec<f64>,
}

impl Sample {
    fn gather(&mut self, rows: ArrayView2<f64>, chosen: &[usize]) {
        for (place, row) in chosen.iter().enumerate() {
            for (column, value) in rows.row(*row).iter().enumerate() {
                #[allow(clippy::cast_possible_truncation, reason = "single precision is meant")]
                let value = *value as f32;
                self.values[column * self.size + place] = value;
            }
        }
    }

    fn column(&self, column: usize) -> &[f32] {
        &self.values[column * self.size..][..self.size]
    }
}

const TREES: usize = 100;
const ROWS_PER_TREE: usize = 256;
/// Widest row that is scored without an allocation.
const NARROW: usize = 64;
/// Cuts on the way to a leaf: the depth at which so many rows would be apart in a balanced tree.
const MOST_CUTS: u32 = (ROWS_PER_TREE - 1).ilog2() + 1;
/// Trees that are walked side by side.
const ABREAST: usize = 10;
const CHOSEN_CUTS: f64 = 1.0 / 3.0;
const CUTS_TO_CHOOSE_FROM: usize = 6;

impl Forest {
    /// Fits on clean rows, see [`super::Columns`].
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "at most 512 nodes a tree; single precision is meant")]
    pub fn fit(rows: ArrayView2<f64>, mut seed: Seed) -> Forest {
        let size = ROWS_PER_TREE.min(rows.nrows());
        let mut forest = Forest {
            nodes: Vec::with_capacity(TREES * size * 2),
            roots: Vec::with_capacity(TREES),
            usual_depth: mean_depth(size),
        };
        let mut order: Vec<usize> = (0..rows.nrows()).collect();
        let mut sample = Sample {
            values: vec![0.0; size * rows.ncols()],
            width: rows.ncols(),
            size,
            depths: (0..=size).map(mean_depth).collect(),
        };
        for _ in 0..TREES {
            for i in 0..size {
                let j = i + seed.below(order.len() - i);
                order.swap(i, j);
            }
            sample.gather(rows, &order[..size]);
            forest.roots.push(forest.nodes.len() as u32);
            forest.grow(&sample, size as u16, &mut seed);
        }
        forest
    }

    /// Between 0 and 1; about 0.5 for usual rows, more for unusual ones.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    pub fn score(&self, row: &[f64]) -> f64 {
        let mut narrow = [0.0_f32; NARROW];
        let wide: Vec<f32>;
        let row: &[f32] = if row.len() <= NARROW {
            narrow.iter_mut().zip(row).for_each(|(out, v)| *out = *v as f32);
            &narrow[..row.len()]
        } else {
            wide = row.iter().map(|v| *v as f32).collect();
            &wide
        };
        let depth = self.roots.chunks(ABREAST).fold(0.0, |depth, roots| self.deeper(depth, roots, row));
        let mean = f64::from(depth) / self.roots.len().max(1) as f64;
        (-mean / self.usual_depth).exp2()
    }

    /// Adds the depths of several trees, one after the other. They are walked side by side and without a branch that depends on the row: a
    /// processor that waits for one tree goes on with the next.
    fn deeper(&self, depth: f32, roots: &[u32], row: &[f32]) -> f32 {
        let mut places = [0_u32; ABREAST];
        let places = &mut places[..roots.len()];
        places.copy_from_slice(roots);
        for _ in 0..MOST_CUTS {
            for (place, root) in places.iter_mut().zip(roots) {
                let node = self.nodes[*place as usize];
                let is_above = row[usize::from(node.column)] > node.value;
                let child = root + u32::from(node.children) + u32::from(is_above);
                *place = if node.children == 0 { *place } else { child };
            }
        }
        places.iter().fold(depth, |depth, place| depth + self.nodes[*place as usize].value)
    }

    #[allow(clippy::cast_possible_truncation)]
    fn grow(&mut self, sample: &Sample, size: u16, seed: &mut Seed) {
        let root = self.nodes.len();
        self.nodes.push(Node::default());
        let limit = u16::BITS - (size.max(2) - 1).leading_zeros();
        let mut rows: Vec<u16> = (0..size).collect();
        let mut waiting: Vec<(usize, u32, &mut [u16])> = vec![(root, 0, &mut rows)];
        while let Some((at, depth, rows)) = waiting.pop() {
            let cut = if depth < limit && rows.len() > 1 { next_cut(sample, rows, seed) } else { None };
            let Some((column, value)) = cut else {
                self.nodes[at] = Node::leaf(depth, sample.depths[rows.len()]);
                continue;
            };
            let values = sample.column(column);
            let middle = partition(rows, |row| values[usize::from(row)] <= value);
            let children = self.nodes.len();
            self.nodes[at] = Node { value, column: column as u16, children: (children - root) as u16 };
            self.nodes.extend([Node::default(); 2]);
            let (low, high) = rows.split_at_mut(middle);
            waiting.push((children, depth + 1, low));
            waiting.push((children + 1, depth + 1, high));
        }
    }
}

impl Node {
    #[allow(clippy::cast_possible_truncation, reason = "single precision is meant")]
    fn leaf(cuts: u32, rest: f64) -> Node {
        Node { value: (f64::from(cuts) + rest) as f32, column: 0, children: 0 }
    }
}

fn next_cut(data: &Sample, rows: &[u16], seed: &mut Seed) -> Option<(usize, f32)> {
    let first = cut(data, rows, seed)?;
    if seed.unit() >= CHOSEN_CUTS {
        return Some(first);
    }
    let mut best = (first, gain(data, rows, first));
    for _ in 1..CUTS_TO_CHOOSE_FROM {
        let other = cut(data, rows, seed)?;
        let gain = gain(data, rows, other);
        if gain > best.1 {
            best = (other, gain);
        }
    }
    Some(best.0)
}

/// The share of the column's standard deviation that disappears when both sides are taken for themselves.
#[allow(clippy::cast_precision_loss)]
fn gain(data: &Sample, rows: &[u16], (column, value): (usize, f32)) -> f64 {
    // Count, sum and sum of squares of the low side and of the high side.
    let mut sides = [[0.0_f64; 3]; 2];
    let values = data.column(column);
    for row in rows {
        let v = values[usize::from(*row)];
        let side = &mut sides[usize::from(v > value)];
        let v = f64::from(v);
        side[0] += 1.0;
        side[1] += v;
        side[2] += v * v;
    }
    let deviation = |[n, sum, squares]: [f64; 3]| (squares / n - (sum / n).powi(2)).max(0.0).sqrt();
    let [low, high] = sides;
    let all = [low[0] + high[0], low[1] + high[1], low[2] + high[2]];
    let pooled = (low[0] * deviation(low) + high[0] * deviation(high)) / all[0];
    let whole = deviation(all);
    if whole > 0.0 { (whole - pooled) / whole } else { 0.0 }
}

/// A random place between the ends of a random column that varies among these rows; none if they are all alike.
#[allow(clippy::cast_possible_truncation, reason = "single precision is meant")]
fn cut(data: &Sample, rows: &[u16], seed: &mut Seed) -> Option<(usize, f32)> {
    let width = data.width;
    let first = seed.below(width);
    (first..first + width).map(|column| column % width).find_map(|column| {
        let column_values = data.column(column);
        let values = rows.iter().map(|row| column_values[usize::from(*row)]);
        let (low, high) =
            values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        // Between the two ends, below the upper one even after rounding: both sides get a row.
        let value = if low < high { low + (high - low) * seed.unit() as f32 } else { return None };
        Some((column, if value < high { value } else { low }))
    })
}

fn partition(rows: &mut [u16], is_low: impl Fn(u16) -> bool) -> usize {
    let mut middle = 0;
    for i in 0..rows.len() {
        if is_low(rows[i]) {
            rows.swap(i, middle);
            middle += 1;
        }
    }
    middle
}

/// Mean depth of a failed search in a binary tree of so many rows (the paper's c(n)).
#[allow(clippy::cast_precision_loss)]
fn mean_depth(rows: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        n => 2.0 * (((n - 1) as f64).ln() + EULER) - 2.0 * (n - 1) as f64 / n as f64,
    }
}
