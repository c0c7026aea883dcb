//! Recurrent layers: cells, and loops over them. Flax: `linen/recurrent.py`.

use super::convolution::{ConvLayerOptions, ConvPadding, conv_with};
use super::linear::{LinearOptions, linear_with};
use crate::arguments::{Dims, options};
use crate::control_flow::{ScanOptions, scan_with};
use crate::core::array::Array;
use crate::core::trace::{caller, with_location};
use crate::dtype::DType;
use crate::error::{Loc, OrThrow, throw};
use crate::lax::{self, Padding};
use crate::nn::initializers::{self, Initializer};
use crate::nn::{NamedTree, Scope, sigmoid};
use crate::numpy;
use crate::signature::Output;
use crate::tree::{self, Pytree};

/// An activation, in options: a function, or a closure that captures nothing.
type Activation = fn(&Array) -> Array;

options! {
    /// Options of [`simple_cell_with`].
    pub struct SimpleCellOptions {
        /// What is applied to the sum.
        activation_fn: value Activation = |x| numpy::tanh(x),
        /// How the kernel of the input begins.
        kernel_init: value Initializer = initializers::lecun_normal(),
        /// How the kernel of the hidden state begins.
        recurrent_kernel_init: value Initializer = initializers::orthogonal(),
        /// How the vectors that are added begin.
        bias_init: value Initializer = initializers::zeros(),
        /// Is the hidden state added to the sum?
        residual: value bool = false,
    }
}

options! {
    /// Options of [`gru_cell_with`] and [`lstm_cell_with`].
    pub struct GatedCellOptions {
        /// What is applied to gates.
        gate_fn: value Activation = |x| sigmoid(x),
        /// What is applied to what they let through.
        activation_fn: value Activation = |x| numpy::tanh(x),
        /// How kernels of the input begin.
        kernel_init: value Initializer = initializers::lecun_normal(),
        /// How kernels of the hidden state begin.
        recurrent_kernel_init: value Initializer = initializers::orthogonal(),
        /// How the vectors that are added begin.
        bias_init: value Initializer = initializers::zeros(),
    }
}

/// What is linear in a cell.
struct Dense<'a> {
    cx: &'a Scope,
    bias_init: &'a Initializer,
    here: Loc,
}

impl Dense<'_> {
    fn of(&self, name: &str, x: &Array, features: usize, init: &Initializer, use_bias: bool) -> Array {
        let options = LinearOptions::new().kernel_init(init.clone()).use_bias(use_bias);
        let options = options.bias_init(self.bias_init.clone());
        // Closures have no caller of their own.
        with_location(self.here, || linear_with(&self.cx.at(name), x, features, options))
    }
}

#[track_caller]
fn features_of(cell: &str, h: &Array) -> usize {
    match h.shape().last() {
        Some(&features) => features,
        None => throw!(Shape, "{cell}: the hidden state has a last axis, got {}", h.aval()),
    }
}

/// A step of a plain recurrent network: `h' = tanh(W_i x + b_i + W_h h)`, twice: as what goes on, and as the result. Flax: `SimpleCell`.
///
/// Parameters of `f32[.., n]` hidden features: `i/kernel`, `i/bias`, `h/kernel`.
///
/// # Errors
/// Those of [`linear`](super::linear).
#[track_caller]
pub fn simple_cell(cx: &Scope, h: Array, x: Array) -> (Array, Array) {
    simple_cell_with(cx, h, x, SimpleCellOptions::new())
}

/// [`simple_cell`], with options.
///
/// # Errors
/// As [`simple_cell`].
#[track_caller]
pub fn simple_cell_with(cx: &Scope, h: Array, x: Array, options: SimpleCellOptions) -> (Array, Array) {
    let n = features_of("simple_cell", &h);
    let dense = Dense { cx, bias_init: &options.bias_init, here: caller() };
    let mut sum = dense.of("i", &x, n, &options.kernel_init, true);
    sum += dense.of("h", &h, n, &options.recurrent_kernel_init, false);
    if options.residual {
        sum += &h;
    }
    let h = (options.activation_fn)(&sum);
    (h.clone(), h)
}

/// A step of a gated recurrent unit. Cho et al. 2014. Flax: `GRUCell`.
///
/// `r = σ(W_ir x + b_ir + W_hr h)`, `z = σ(W_iz x + b_iz + W_hz h)`, `n = tanh(W_in x + b_in + r (W_hn h + b_hn))`,
/// `h' = (1 - z) n + z h`, twice: as what goes on, and as the result. Parameters are called `ir/kernel` and so on.
///
/// # Errors
/// Those of [`linear`](super::linear).
#[track_caller]
pub fn gru_cell(cx: &Scope, h: Array, x: Array) -> (Array, Array) {
    gru_cell_with(cx, h, x, GatedCellOptions::new())
}

/// [`gru_cell`], with options.
///
/// # Errors
/// As [`gru_cell`].
#[track_caller]
pub fn gru_cell_with(cx: &Scope, h: Array, x: Array, options: GatedCellOptions) -> (Array, Array) {
    let n = features_of("gru_cell", &h);
    let dense = Dense { cx, bias_init: &options.bias_init, here: caller() };
    let of_x = |name| dense.of(name, &x, n, &options.kernel_init, true);
    let of_h = |name, use_bias| dense.of(name, &h, n, &options.recurrent_kernel_init, use_bias);
    let r = (options.gate_fn)(&(of_x("ir") + of_h("hr", false)));
    let z = (options.gate_fn)(&(of_x("iz") + of_h("hz", false)));
    let new = (options.activation_fn)(&(of_x("in") + r * of_h("hn", true)));
    let h = (1.0 - &z) * new + z * &h;
    (h.clone(), h)
}

/// A step of long short-term memory, `(c, h)`. Hochreiter and Schmidhuber 1997. Flax: `LSTMCell`.
///
/// `i = σ(W_ii x + W_hi h + b_hi)`, `f` and `o` likewise, `g = tanh(W_ig x + W_hg h + b_hg)`, `c' = f c + i g`, `h' = o tanh(c')`: what
/// goes on is `(c', h')`, the result is `h'`. Parameters are called `ii/kernel` and so on.
///
/// # Errors
/// Those of [`linear`](super::linear).
#[track_caller]
pub fn lstm_cell(cx: &Scope, carry: (Array, Array), x: Array) -> ((Array, Array), Array) {
    lstm_cell_with(cx, carry, x, GatedCellOptions::new())
}

/// [`lstm_cell`], with options.
///
/// # Errors
/// As [`lstm_cell`].
#[track_caller]
pub fn lstm_cell_with(
    cx: &Scope,
    carry: (Array, Array),
    x: Array,
    options: GatedCellOptions,
) -> ((Array, Array), Array) {
    let (c, h) = carry;
    let n = features_of("lstm_cell", &h);
    let dense = Dense { cx, bias_init: &options.bias_init, here: caller() };
    let sum = |of_x, of_h| {
        dense.of(of_x, &x, n, &options.kernel_init, false)
            + dense.of(of_h, &h, n, &options.recurrent_kernel_init, true)
    };
    let i = (options.gate_fn)(&sum("ii", "hi"));
    let f = (options.gate_fn)(&sum("if", "hf"));
    let g = (options.activation_fn)(&sum("ig", "hg"));
    let o = (options.gate_fn)(&sum("io", "ho"));
    let c = f * c + i * g;
    let h = o * (options.activation_fn)(&c);
    ((c, h.clone()), h)
}

options! {
    /// Options of [`conv_lstm_cell_with`].
    pub struct ConvLstmCellOptions {
        /// Steps between windows; 1 if they are not given.
        strides: optional_into Dims,
        /// What the windows see beyond the borders.
        padding: into ConvPadding = Padding::Same,
        /// Are vectors added?
        use_bias: value bool = true,
    }
}

/// A step of long short-term memory whose input and state are pictures, `(c, h)` of `f32[batch.., height, width, features]`. Shi et al.
/// 2015. Flax: `ConvLSTMCell`.
///
/// [`lstm_cell`] with convolutions in place of products, and `f = σ(… + 1)`: one convolution of the input, `ih/kernel` and `ih/bias`,
/// and one of the state, `hh/kernel` and `hh/bias`, make `i`, `g`, `f` and `o` beside each other.
///
/// ```
/// use raxla::nn::{self, Mode, RnnOptions, Scope};
/// use raxla::{lax, random};
///
/// let films = lax::full([2, 10, 8, 8, 3], 0f32);
/// let model = |cx: &Scope| {
///     let cell = |cx: &Scope, carry, x| nn::conv_lstm_cell(cx, carry, x, (3, 3));
///     nn::rnn_with(cx, &films, 4, cell, RnnOptions::new().num_feature_axes(3)).1
/// };
/// let params = nn::init(&random::key(0), model)?;
/// assert_eq!(nn::apply(&params, Mode::eval(), model)?.shape(), [2, 10, 8, 8, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of [`conv`](super::conv).
#[track_caller]
pub fn conv_lstm_cell(
    cx: &Scope,
    carry: (Array, Array),
    x: Array,
    kernel_size: impl Into<Dims>,
) -> ((Array, Array), Array) {
    conv_lstm_cell_with(cx, carry, x, kernel_size, ConvLstmCellOptions::new())
}

/// [`conv_lstm_cell`], with options.
///
/// # Errors
/// As [`conv_lstm_cell`].
#[track_caller]
pub fn conv_lstm_cell_with(
    cx: &Scope,
    carry: (Array, Array),
    x: Array,
    kernel_size: impl Into<Dims>,
    options: ConvLstmCellOptions,
) -> ((Array, Array), Array) {
    let (c, h) = carry;
    let n = features_of("conv_lstm_cell", &h);
    let window: Dims = kernel_size.into();
    let mut conv = ConvLayerOptions::new().padding(options.padding).use_bias(options.use_bias);
    if let Some(strides) = options.strides {
        conv = conv.strides(strides);
    }
    let gates = conv_with(&cx.at("ih"), x, 4 * n, window.clone(), conv.clone())
        + conv_with(&cx.at("hh"), h, 4 * n, window, conv);
    let [i, g, f, o]: [Array; 4] = numpy::split(gates, 4, -1);
    let c = sigmoid(f + 1.0) * c + sigmoid(i) * numpy::tanh(g);
    let h = sigmoid(o) * numpy::tanh(&c);
    ((c, h.clone()), h)
}

/// What [`rnn`] begins with: a number of features, for zeros, or the carry itself.
pub trait InitialCarry<C> {
    /// The carry, for sequences of a batch of this shape.
    fn carry(self, batch: &[usize], dtype: DType) -> C;
}

fn zeros(batch: &[usize], features: usize, dtype: DType) -> Array {
    lax::zeros(dtype, &[batch, &[features]].concat())
}

impl InitialCarry<Array> for usize {
    fn carry(self, batch: &[usize], dtype: DType) -> Array {
        zeros(batch, self, dtype)
    }
}
impl InitialCarry<(Array, Array)> for usize {
    fn carry(self, batch: &[usize], dtype: DType) -> (Array, Array) {
        (zeros(batch, self, dtype), zeros(batch, self, dtype))
    }
}
impl InitialCarry<Array> for Array {
    fn carry(self, _: &[usize], _: DType) -> Array {
        self
    }
}
impl InitialCarry<Array> for &Array {
    fn carry(self, _: &[usize], _: DType) -> Array {
        self.clone()
    }
}
impl InitialCarry<(Array, Array)> for (Array, Array) {
    fn carry(self, _: &[usize], _: DType) -> (Array, Array) {
        self
    }
}

options! {
    /// Options of [`rnn_with`] and [`bidirectional_with`].
    pub struct RnnOptions {
        /// Is the leading axis that of time, and not the last but one?
        time_major: value bool = false,
        /// Does it begin at the end? Results are in the order of the inputs still.
        reverse: value bool = false,
        /// How many elements of each sequence count: `i32[batch..]`. The carry is that after the last of them; results beyond are of no
        /// use.
        seq_lengths: optional_into Array,
        /// How many axes behind that of time belong to an element of the sequence: that of features, and those of space.
        num_feature_axes: value usize = 1,
        /// Steps in one turn of the compiled loop.
        unroll: value usize = 1,
    }
}

/// A cell along sequences `f32[batch.., time, n]`: what its last step hands on, and the results of all, `f32[batch.., time, features]`.
/// Flax: `RNN`.
///
/// `carry` is a number of features, for a beginning with zeros, or what the cell takes. `cell` is [`simple_cell`], [`gru_cell`],
/// [`lstm_cell`] or any function like them.
///
/// ```
/// use raxla::nn::{self, Mode, Scope};
/// use raxla::{lax, random};
///
/// let x = lax::full([8, 50, 3], 0f32);
/// let model = |cx: &Scope| {
///     let (_, y) = nn::rnn(&cx.at("lstm"), &x, 16, nn::lstm_cell);
///     let ((last, _), _) = nn::bidirectional(&cx.at("gru"), y, 16, nn::gru_cell);
///     nn::linear(&cx.at("head"), last, 2)
/// };
/// let params = nn::init(&random::key(0), model)?;
/// assert_eq!(nn::apply(&params, Mode::eval(), model)?.shape(), [8, 2]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the cell; a carry that changes its type.
#[track_caller]
pub fn rnn<C, O>(
    cx: &Scope,
    xs: impl Into<Array>,
    carry: impl InitialCarry<C>,
    cell: impl Fn(&Scope, C, Array) -> O,
) -> (C, Array)
where
    C: Pytree + Clone,
    O: Output<Tree = (C, Array)>,
{
    along(cx, &xs.into(), carry, &cell, &RnnOptions::new())
}

/// [`rnn`], with options.
///
/// # Errors
/// As [`rnn`]; lengths that are not `i32[batch..]`.
#[track_caller]
pub fn rnn_with<C, O>(
    cx: &Scope,
    xs: impl Into<Array>,
    carry: impl InitialCarry<C>,
    cell: impl Fn(&Scope, C, Array) -> O,
    options: RnnOptions,
) -> (C, Array)
where
    C: Pytree + Clone,
    O: Output<Tree = (C, Array)>,
{
    along(cx, &xs.into(), carry, &cell, &options)
}

#[track_caller]
fn along<C, O>(
    cx: &Scope,
    xs: &Array,
    carry: impl InitialCarry<C>,
    cell: &impl Fn(&Scope, C, Array) -> O,
    options: &RnnOptions,
) -> (C, Array)
where
    C: Pytree + Clone,
    O: Output<Tree = (C, Array)>,
{
    let n = options.num_feature_axes;
    if n == 0 || xs.ndim() <= n {
        let space = if n > 1 { format!(", and {} of space", n - 1) } else { String::new() };
        throw!(
            Shape,
            "rnn: the input has an axis of time and one of features{space}, got {} (num_feature_axes is {n})",
            xs.aval()
        );
    }
    let time = if options.time_major { 0 } else { xs.ndim() - 1 - n };
    let xs = numpy::moveaxis(xs, time, 0);
    let (steps, batch) = (xs.shape()[0], &xs.shape()[1..xs.ndim() - n]);
    let init = carry.carry(&xs.shape()[1..xs.ndim() - 1], cx.mode().to_compute(&xs).dtype());
    let here = caller();
    let step = |cx: &Scope, carry: C, x: Array| with_location(here, || cell(cx, carry, x).into_result());
    if cx.is_initial() {
        let (carry, y) = step(cx, init, lax::index_in_dim(&xs, 0, 0)).or_throw();
        let ys = numpy::broadcast_to(&y, [&[steps], y.shape()].concat());
        return (carry, numpy::moveaxis(ys, 0, time));
    }
    let lengths = options.seq_lengths.as_ref();
    if let Some(lengths) = lengths.filter(|n| !n.dtype().is_integer() || n.shape() != batch) {
        throw!(
            Shape,
            "rnn: seq_lengths are integers {batch:?}, one for each sequence, got {}",
            lengths.aval()
        );
    }
    // Sequences of several lengths are turned each in itself.
    let turned = |x: &Array| match lengths {
        Some(lengths) if options.reverse => turned(x, lengths),
        _ => x.clone(),
    };
    let params = cx.params_below();
    let key = cx.any_key();
    // What counts of a carry is kept beside the one that goes on.
    let body = |((carry, last), state): ((C, C), NamedTree), (x, i): (Array, Array)| {
        let inner = cx.framed(params.clone(), state, key.clone(), None);
        let (carry, y) = step(&inner, carry, x)?;
        let last = match lengths {
            None => carry.clone(),
            Some(lengths) => {
                let counts = numpy::greater(lengths, i);
                let kept = |new: &Array, old: &Array| {
                    let ones = vec![1; new.ndim() - counts.ndim()];
                    numpy::where_(numpy::reshape(&counts, [counts.shape(), &ones].concat()), new, old)
                };
                tree::map2(kept, &carry, &last)
            }
        };
        Ok(((carry, last), inner.state_below(), y)).map(|(carry, state, y)| ((carry, state), y))
    };
    let scan = ScanOptions::new().reverse(options.reverse && lengths.is_none()).unroll(options.unroll);
    let xs = (turned(&xs), numpy::arange(steps as i64));
    let (((_, last), state), ys) =
        scan_with(body, ((init.clone(), init), cx.state_below()), xs, scan).or_throw();
    cx.put_state_below(&state).or_throw();
    (last, numpy::moveaxis(turned(&ys), 0, time))
}

/// Each sequence, along the leading axis, from its last element that counts to its first.
#[track_caller]
fn turned(x: &Array, lengths: &Array) -> Array {
    let steps = x.shape()[0] as i64;
    let mut shape = vec![1; x.ndim()];
    shape[0] = x.shape()[0];
    let backward = numpy::reshape(numpy::flip(numpy::arange(steps), 0), shape);
    let ones = vec![1; x.ndim() - 1 - lengths.ndim()];
    let lengths = numpy::reshape(lengths, [&[1], lengths.shape(), &ones].concat());
    numpy::take_along_axis(x, (backward + lengths) % steps as i32, 0)
}

/// A cell along sequences from the beginning, and another, with parameters of its own, from the end: what both hand on, and their
/// results beside each other, `f32[batch.., time, 2 * features]`. Flax: `Bidirectional`.
///
/// Parameters are below `forward` and `backward`.
///
/// # Errors
/// As [`rnn`].
#[track_caller]
pub fn bidirectional<C, O>(
    cx: &Scope,
    xs: impl Into<Array>,
    carry: impl InitialCarry<C> + Clone,
    cell: impl Fn(&Scope, C, Array) -> O,
) -> ((C, C), Array)
where
    C: Pytree + Clone,
    O: Output<Tree = (C, Array)>,
{
    both(cx, &xs.into(), carry, &cell, &RnnOptions::new())
}

/// [`bidirectional`], with options.
///
/// # Errors
/// As [`rnn_with`].
#[track_caller]
pub fn bidirectional_with<C, O>(
    cx: &Scope,
    xs: impl Into<Array>,
    carry: impl InitialCarry<C> + Clone,
    cell: impl Fn(&Scope, C, Array) -> O,
    options: RnnOptions,
) -> ((C, C), Array)
where
    C: Pytree + Clone,
    O: Output<Tree = (C, Array)>,
{
    both(cx, &xs.into(), carry, &cell, &options)
}

#[track_caller]
fn both<C, O>(
    cx: &Scope,
    xs: &Array,
    carry: impl InitialCarry<C> + Clone,
    cell: &impl Fn(&Scope, C, Array) -> O,
    options: &RnnOptions,
) -> ((C, C), Array)
where
    C: Pytree + Clone,
    O: Output<Tree = (C, Array)>,
{
    let back = options.clone().reverse(!options.reverse);
    let (forth, ys) = along(&cx.at("forward"), xs, carry.clone(), cell, options);
    let (back, zs) = along(&cx.at("backward"), xs, carry, cell, &back);
    ((forth, back), numpy::concatenate([ys, zs], -1))
}
