//! Random statements without nested functions.

use raxla::lax::Padding;

use crate::generate::{AXES, Builder, MAX_ELEMENTS};
use crate::program::{Binary, Op, Shape, Unary, Window};
use crate::table::{ALONG, FLAT, OF_MATRIX, SMOOTH};

impl Builder<'_> {
    pub fn flat(&mut self) {
        let x = self.var();
        let shape = self.shapes[x].clone();
        let rank = shape.len();
        let full = !shape.contains(&0);
        match self.rng.below(42) {
            0..4 => {
                let kinds = [
                    Unary::Sin,
                    Unary::Cos,
                    Unary::Tanh,
                    Unary::Logistic,
                    Unary::Neg,
                    Unary::Square,
                    Unary::Exp,
                    Unary::Root,
                    Unary::Log,
                    Unary::Step,
                    Unary::CustomJvp,
                    Unary::CustomVjp,
                ];
                let kind = self.rng.pick(&kinds);
                let kind = if matches!(kind, Unary::CustomVjp) && !self.allow.custom_vjp {
                    Unary::CustomJvp
                } else {
                    kind
                };
                self.push(Op::Unary(kind), vec![x], vec![shape]);
            }
            4..9 => {
                let scalar = self.rng.chance(20);
                let y = if scalar { self.of_shape(&[]) } else { self.of_shape(&shape) };
                let kind = self.rng.pick(&[
                    Binary::Add,
                    Binary::Sub,
                    Binary::Mul,
                    Binary::Mul,
                    Binary::Max,
                    Binary::Div,
                ]);
                let args = if self.rng.chance(50) { vec![x, y] } else { vec![y, x] };
                self.push(Op::Binary(kind), args, vec![shape]);
            }
            9 => {
                let op = Op::Affine(self.number(), self.number());
                self.push(op, vec![x], vec![shape]);
            }
            10 => {
                let args = vec![x, self.of_shape(&shape), self.of_shape(&shape), self.of_shape(&shape)];
                self.push(Op::Select, args, vec![shape]);
            }
            11 | 12 if rank > 0 => {
                let axes: Vec<usize> = (0..rank).filter(|_| self.rng.chance(60)).collect();
                let out = (0..rank).filter(|i| !axes.contains(i)).map(|i| shape[i]).collect();
                let op = if self.rng.chance(70) { Op::Sum(axes) } else { Op::Prod(axes) };
                self.push(op, vec![x], vec![out]);
            }
            13 => self.dot(x),
            14 => {
                let axis = self.rng.below(rank + 1);
                let n = self.rng.pick(&[1, 2, 3]);
                let mut out = shape.clone();
                out.insert(axis, n);
                if out.iter().product::<usize>() <= MAX_ELEMENTS && out.len() <= 3 {
                    let dims = (0..out.len()).filter(|i| *i != axis).collect();
                    self.push(Op::Broadcast(out.clone(), dims), vec![x], vec![out]);
                }
            }
            15 if rank > 0 => {
                let out = vec![shape.iter().product()];
                let out = if self.rng.chance(50) { out } else { shape.iter().rev().copied().collect() };
                self.push(Op::Reshape(out.clone()), vec![x], vec![out]);
            }
            16 if rank > 1 => {
                let mut permutation: Vec<usize> = (0..rank).collect();
                permutation.rotate_left(1 + self.rng.below(rank - 1));
                let out = permutation.iter().map(|i| shape[*i]).collect();
                self.push(Op::Transpose(permutation), vec![x], vec![out]);
            }
            17 if rank > 0 => {
                let axes = (0..rank).filter(|_| self.rng.chance(60)).collect();
                self.push(Op::Rev(axes), vec![x], vec![shape]);
            }
            18 if rank > 0 && full => {
                let starts: Vec<usize> = shape.iter().map(|n| self.rng.below(*n)).collect();
                let limits: Vec<usize> =
                    shape.iter().zip(&starts).map(|(n, s)| s + 1 + self.rng.below(n - s)).collect();
                let strides: Vec<usize> = shape.iter().map(|_| 1 + self.rng.below(2)).collect();
                let out = (0..rank).map(|i| (limits[i] - starts[i]).div_ceil(strides[i])).collect();
                self.push(Op::Slice(starts, limits, strides), vec![x], vec![out]);
            }
            19 if rank > 0 && full => {
                let config: Vec<(i64, i64, i64)> = shape
                    .iter()
                    .map(|_| {
                        (self.rng.below(2) as i64, self.rng.below(3) as i64 - 1, self.rng.below(2) as i64)
                    })
                    .collect();
                let size = |(n, (lo, hi, inner)): (&usize, &(i64, i64, i64))| {
                    let n = *n as i64;
                    (n + lo + hi + inner * (n - 1).max(0)) as usize
                };
                let out: Vec<usize> = shape.iter().zip(&config).map(size).collect();
                if out.iter().product::<usize>() <= MAX_ELEMENTS && !out.contains(&0) {
                    let value = self.of_shape(&[]);
                    self.push(Op::Pad(config), vec![x, value], vec![out]);
                }
            }
            20 if rank > 0 => {
                let axis = self.rng.below(rank);
                let mut out = shape.clone();
                out[axis] *= 2;
                if out.iter().product::<usize>() <= MAX_ELEMENTS {
                    let y = self.of_shape(&shape);
                    self.push(Op::Concatenate(axis), vec![x, y], vec![out]);
                }
            }
            21 if rank > 0 && full => {
                let axis = self.rng.below(rank);
                let size = 1 + self.rng.below(shape[axis]);
                let mut out = shape.clone();
                out[axis] = size;
                let y = self.var();
                self.push(Op::DynamicSlice { axis, size }, vec![x, y], vec![out]);
            }
            22 if rank > 0 && full => {
                let axes: Vec<usize> = (0..rank).filter(|_| self.rng.chance(60)).collect();
                let out = (0..rank).filter(|i| !axes.contains(i)).map(|i| shape[i]).collect();
                self.push(Op::Largest(axes), vec![x], vec![out]);
            }
            23 if rank > 0 => {
                let op = Op::Cumsum(self.rng.below(rank), self.rng.chance(30));
                self.push(op, vec![x], vec![shape]);
            }
            24 if rank > 0 => {
                let op = Op::Sort(self.rng.below(rank));
                self.push(op, vec![x], vec![shape]);
            }
            25 if rank > 0 && full => {
                let axis = self.rng.below(rank);
                let mut small = shape.clone();
                small[axis] = 1 + self.rng.below(shape[axis]);
                let args = vec![x, self.of_shape(&small), self.var()];
                self.push(Op::DynamicUpdateSlice(axis), args, vec![shape]);
            }
            26 if self.allow.axes != 0 => {
                let bound: Vec<&'static str> =
                    (0..AXES.len()).filter(|i| self.allow.axes >> i & 1 == 1).map(|i| AXES[i]).collect();
                let op = Op::Psum(self.rng.pick(&bound));
                self.push(op, vec![x], vec![shape]);
            }
            27 => {
                let value = self.number();
                self.push(Op::Number(value), vec![], vec![vec![]]);
            }
            28 | 29 if rank > 0 && full => self.gather(x),
            30 | 31 if rank > 0 && full => {
                let row = shape[1..].to_vec();
                let (op, rows, places) = if self.rng.chance(50) {
                    (Op::SetRow, row, vec![])
                } else {
                    let n = self.rng.pick(&[0, 1, 2, 2, 3]);
                    (Op::AddRows, [&[n], &*row].concat(), vec![n])
                };
                let args = vec![x, self.of_shape(&rows), self.of_shape(&places)];
                self.push(op, args, vec![shape]);
            }
            32 if rank > 0 && full => {
                let axis = self.rng.below(rank);
                let y = self.of_shape(&shape);
                let out = [&shape[..axis], &shape[axis + 1..]].concat();
                self.push(Op::AtLargest(axis), vec![x, y], vec![out]);
            }
            33 if rank > 0 && full => self.window(x),
            34..39 => {
                let from = if self.rng.chance(90) { SMOOTH } else { FLAT };
                let of = self.rng.pick(from);
                let mut args = vec![x];
                while args.len() < of.arity {
                    args.push(self.of_shape(&shape));
                }
                self.push(Op::Elementwise(of), args, vec![shape]);
            }
            39 | 40 if rank > 0 && full => {
                let op = Op::Along(self.rng.pick(ALONG), self.rng.below(rank));
                self.push(op, vec![x], vec![shape]);
            }
            41 if rank == 2 && full => {
                let n = shape[0];
                let op = Op::OfMatrix(self.rng.pick(OF_MATRIX));
                self.push(op, vec![x], vec![vec![n, n]]);
            }
            // It does not fit: another one.
            _ => self.flat(),
        }
    }

    fn gather(&mut self, x: usize) {
        let shape = self.shapes[x].clone();
        let axis = self.rng.below(shape.len());
        let (op, places, out) = match self.rng.below(3) {
            0 => {
                let mut places = shape.clone();
                places[axis] = self.rng.pick(&[1, 2, 3]);
                (Op::TakeAlong(axis), places.clone(), places)
            }
            kind => {
                let places = match self.rng.chance(40) {
                    true => vec![],
                    false => vec![self.rng.pick(&[0, 1, 2, 2, 3])],
                };
                let (op, axis) = if kind == 1 { (Op::Take(axis), axis) } else { (Op::Rows, 0) };
                let out = [&shape[..axis], &*places, &shape[axis + 1..]].concat();
                (op, places, out)
            }
        };
        if out.iter().product::<usize>() <= MAX_ELEMENTS {
            let places = self.of_shape(&places);
            self.push(op, vec![x, places], vec![out]);
        }
    }

    /// Something of each window: of a vector also its product with a kernel.
    fn window(&mut self, x: usize) {
        let shape = self.shapes[x].clone();
        let size: Vec<usize> = shape.iter().map(|n| 1 + self.rng.below((*n).min(2))).collect();
        let padding = self.rng.pick(&[Padding::Valid, Padding::Same]);
        let count = |n: usize, size: usize, stride: usize| match &padding {
            Padding::Valid => (n - size) / stride + 1,
            _ => n.div_ceil(stride),
        };
        if let [n] = *shape
            && self.rng.chance(50)
        {
            let kernel = self.of_shape(&size);
            self.push(Op::Conv(padding.clone()), vec![x, kernel], vec![vec![count(n, size[0], 1)]]);
        } else {
            let strides: Vec<usize> = shape.iter().map(|_| 1 + self.rng.below(2)).collect();
            let out = (0..shape.len()).map(|i| count(shape[i], size[i], strides[i])).collect();
            let op =
                Op::Window(Window { largest: self.rng.chance(50), size, strides, padding: padding.clone() });
            self.push(op, vec![x], vec![out]);
        }
    }

    /// Not zero, between -2 and 2.
    fn number(&mut self) -> f64 {
        let number = (1 + self.rng.below(8)) as f64 / 4.0;
        if self.rng.chance(50) { number } else { -number }
    }

    /// A contraction with a second operand whose sizes are made to fit.
    fn dot(&mut self, x: usize) {
        let shape = self.shapes[x].clone();
        let (mut contract, mut batch): (Vec<usize>, Vec<usize>) = (vec![], vec![]);
        for axis in 0..shape.len() {
            match self.rng.below(3) {
                0 => contract.push(axis),
                1 => batch.push(axis),
                _ => {}
            }
        }
        let extra = self.rng.below(2);
        let mut other: Shape = batch.iter().chain(&contract).map(|i| shape[*i]).collect();
        other.extend(std::iter::repeat_n(2, extra));
        let free = (0..shape.len()).filter(|i| !contract.contains(i) && !batch.contains(i));
        let mut out: Shape = batch.iter().map(|i| shape[*i]).chain(free.map(|i| shape[i])).collect();
        out.extend(std::iter::repeat_n(2, extra));
        if out.iter().product::<usize>() > MAX_ELEMENTS || out.len() > 3 {
            return;
        }
        let y = self.of_shape(&other);
        let n = batch.len();
        let others = ((n..n + contract.len()).collect(), (0..n).collect());
        let op = Op::Dot { contract: (contract, others.0), batch: (batch, others.1) };
        self.push(op, vec![x, y], vec![out]);
    }
}
