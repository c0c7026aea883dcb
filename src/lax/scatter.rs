//! `scatter`, `scatter-add`, `scatter-sub`, `scatter-mul`, `scatter-min`, `scatter-max`: windows written or combined at
//! computed positions. JAX: `scatter_p`, `scatter_add_p` … StableHLO: `scatter`.

use std::panic::Location;
use std::sync::{Arc, LazyLock};

use smallvec::{SmallVec, smallvec};

use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::cache::Map;
use crate::core::check;
use crate::core::jaxpr::{Atom, Eqn, Jaxpr, Var};
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::name_stack::NameStack;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Prim, Primitive, Tangent,
    Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::add::Sum;
use crate::lax::broadcast::batch_axis_to_front;
use crate::lax::elementwise::{ANY, NUMBER, one, one_batched, one_dtype};
use crate::lax::indexing::{
    GatherScatterMode, ScatterDimensionNumbers, last_starts, shifted, shifted_with_front,
};
use crate::lax::max::{Max, Min};
use crate::lax::mul::Mul;
use crate::lax::scatter_jvp;
use crate::lax::sub::Sub;
use crate::lax::{GatherOptions, gather_with, mul, neg, zeros};
use crate::mlir::{Value, Values};

options! {
    /// Options of [`scatter_with`], [`scatter_add_with`] and their like.
    #[derive(Copy, PartialEq, Eq, Hash)]
    pub struct ScatterOptions {
        /// The index vectors are sorted: the caller promises it.
        indices_are_sorted: value bool = false,
        /// No element is written twice: the caller promises it.
        unique_indices: value bool = false,
        /// What happens to indices out of bounds.
        mode: value GatherScatterMode = GatherScatterMode::FillOrDrop,
    }
}

macro_rules! scatter {
    ($($(#[$doc:meta])* $name:ident, $with:ident: $combine:ident),*) => {$(
        $(#[$doc])*
        ///
        /// The windows start at the index vectors in the last axis of `scatter_indices`; what is out of bounds is dropped.
        ///
        /// # Errors
        /// Indices that are not integers; operands of different dtypes; `dimension_numbers` that do not fit the operands,
        /// each with its own message.
        #[track_caller]
        pub fn $name(
            operand: &Array,
            scatter_indices: &Array,
            updates: &Array,
            dimension_numbers: &ScatterDimensionNumbers,
        ) -> Array {
            $with(operand, scatter_indices, updates, dimension_numbers, ScatterOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "()`], with options.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "()`].")]
        #[track_caller]
        pub fn $with(
            operand: &Array,
            scatter_indices: &Array,
            updates: &Array,
            dimension_numbers: &ScatterDimensionNumbers,
            options: ScatterOptions,
        ) -> Array {
            let (combine, dimension_numbers) = (Combine::$combine, dimension_numbers.clone());
            let prim = Scatter::new(combine, operand.dtype(), dimension_numbers, options);
            bind1(prim, &[operand, scatter_indices, updates])
        }
    )*};
}
scatter! {
    /// `operand` with its windows replaced by `updates`. Of updates to one element any may win.
    scatter, scatter_with: Replace,
    /// `operand` with `updates` added to its windows.
    scatter_add, scatter_add_with: Add,
    /// `operand` with `updates` subtracted from its windows.
    scatter_sub, scatter_sub_with: Sub,
    /// `operand` with its windows multiplied by `updates`.
    scatter_mul, scatter_mul_with: Mul,
    /// `operand` with the minimum of its windows and `updates`.
    scatter_min, scatter_min_with: Min,
    /// `operand` with the maximum of its windows and `updates`.
    scatter_max, scatter_max_with: Max
}

/// How an update meets the element that it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Combine {
    Replace,
    Add,
    Sub,
    Mul,
    Min,
    Max,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scatter {
    pub combine: Combine,
    /// The operand's.
    pub dtype: DType,
    pub dimension_numbers: ScatterDimensionNumbers,
    pub options: ScatterOptions,
    /// What becomes of an element, with its update as second parameter, where that is no combination.
    apply: Option<Arc<Jaxpr>>,
}

impl Scatter {
    pub(crate) fn new(
        combine: Combine,
        dtype: DType,
        dimension_numbers: ScatterDimensionNumbers,
        options: ScatterOptions,
    ) -> Self {
        Scatter { combine, dtype, dimension_numbers, options, apply: None }
    }

    /// A scatter that computes something of the elements.
    pub(crate) fn applying(
        jaxpr: Arc<Jaxpr>,
        dtype: DType,
        dimension_numbers: ScatterDimensionNumbers,
        options: ScatterOptions,
    ) -> Self {
        Scatter { apply: Some(jaxpr), ..Scatter::new(Combine::Replace, dtype, dimension_numbers, options) }
    }

    /// The same with another combination.
    pub(crate) fn with(&self, combine: Combine) -> Scatter {
        Scatter { combine, ..self.clone() }
    }

    pub(crate) fn apply(&self, operand: &Array, indices: &Array, updates: &Array) -> Array {
        bind1(Scatter { dtype: operand.dtype(), ..self.clone() }, &[operand, indices, updates])
    }

    /// What is in `x` where updates of this shape are written; `fill` (by default the gather's own) where they are
    /// dropped.
    pub(crate) fn read(
        &self,
        x: &Array,
        indices: &Array,
        updates: &[usize],
        mode: GatherScatterMode,
        fill: Option<Scalar>,
    ) -> Array {
        let window = self.dimension_numbers.window(x.ndim(), updates);
        let options = GatherOptions { mode, fill_value: fill, ..GatherOptions::default() };
        gather_with(x, indices, &self.dimension_numbers.inverse(), &window, options)
    }

    /// The cotangent of the updates: `ct` where they were written.
    fn read_ct(&self, ct: &Array, indices: &Array, updates: &ShapedArray) -> Array {
        let zero = Scalar::from_i128(ct.dtype(), 0);
        self.read(ct, indices, updates.shape(), self.options.mode, Some(zero))
    }

    /// What becomes of an element and its update; `None`: the update.
    fn update_jaxpr(&self) -> Option<Arc<Jaxpr>> {
        if let Some(jaxpr) = &self.apply {
            return Some(jaxpr.clone());
        }
        // One for each operation and dtype, so that a printed program shows that it is the same.
        static KNOWN: LazyLock<Map<(Combine, DType), Arc<Jaxpr>>> =
            LazyLock::new(|| Map::new(6 * DType::ALL.len()));
        let prim = match self.combine {
            Combine::Replace => return None,
            Combine::Add => Prim::from(Sum::<false>),
            Combine::Sub => Prim::from(Sub),
            Combine::Mul => Prim::from(Mul { out_dtype: None }),
            Combine::Min => Prim::from(Min),
            Combine::Max => Prim::from(Max),
        };
        let make = || {
            let [x, y, out] = [Var(0), Var(1), Var(2)];
            let inputs = smallvec![Atom::Var(x), Atom::Var(y)];
            let eqn = Eqn {
                prim,
                inputs,
                outputs: smallvec![out],
                loc: Location::caller(),
                names: NameStack::default(),
            };
            let avals = vec![ShapedArray::new(self.dtype, &[]); 3];
            Arc::new(Jaxpr::new(Vec::new(), vec![x, y], vec![Atom::Var(out)], vec![eqn], avals))
        };
        Some(KNOWN.get_or_insert_with((self.combine, self.dtype), make))
    }

    fn accepts(&self) -> fn(DType) -> bool {
        match self.combine {
            Combine::Replace | Combine::Min | Combine::Max => ANY,
            Combine::Add | Combine::Sub | Combine::Mul => NUMBER,
        }
    }
}

/// The indices moved so that every window is within the operand.
fn clamp_indices(
    ctx: &mut LoweringCtx,
    numbers: &ScatterDimensionNumbers,
    operand: Value,
    indices: Value,
    updates: Value,
) -> Value {
    let (operand, updates) = (ctx.shape(operand), ctx.shape(updates));
    let window = numbers.window(operand.len(), &updates);
    let most = last_starts(ctx, indices, &operand, &window, &numbers.scatter_dims_to_operand_dims);
    let zero = ctx.full_like(indices, 0.0);
    ctx.op1("stablehlo.clamp", &[zero, indices, most], "", indices.ty())
}

impl Primitive for Scatter {
    fn name(&self) -> &'static str {
        match self.combine {
            Combine::Replace => "scatter",
            Combine::Add => "scatter-add",
            Combine::Sub => "scatter-sub",
            Combine::Mul => "scatter-mul",
            Combine::Min => "scatter-min",
            Combine::Max => "scatter-max",
        }
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("dimension_numbers", Param::Text(self.dimension_numbers.text())),
            ("indices_are_sorted", Param::from(self.options.indices_are_sorted)),
            ("mode", Param::Text(self.options.mode.text().into())),
            ("unique_indices", Param::from(self.options.unique_indices)),
            ("update_consts", Param::Text("()".into())),
            ("update_jaxpr", self.update_jaxpr().map_or_else(|| Param::Text("None".into()), Param::Jaxpr)),
        ]
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        self.apply.iter().collect()
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [operand, indices, updates] = check::arity(self, ins)?;
        one_dtype(self, &[*operand, *updates], self.accepts())?;
        self.dimension_numbers.check(operand, indices, updates)?;
        Ok(one(*operand))
    }
    fn key_uses(&self, ins: &[ShapedArray]) -> Result<Option<KeyUses>> {
        let replaces = self.combine == Combine::Replace && self.apply.is_none();
        let is_key = replaces && ins[2].shape().last() == ins[0].shape().last();
        Ok(is_key.then(|| KeyUses::updated(2)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (operand, mut indices, updates) = (ins[0], ins[1], ins[2]);
        if self.options.mode == GatherScatterMode::Clip {
            indices = clamp_indices(ctx, &self.dimension_numbers, operand, indices, updates);
        }
        let index_vector_dim = ctx.shape(indices).len() - 1;
        let attrs = format!(
            "indices_are_sorted = {}, scatter_dimension_numbers = {}, unique_indices = {}",
            self.options.indices_are_sorted,
            self.dimension_numbers.attribute(index_vector_dim),
            self.options.unique_indices
        );
        let out = ctx.ty(&outs[0]);
        let scalar = ctx.tensor(outs[0].dtype(), &[]);
        let body = |ctx: &mut LoweringCtx, args: &[Value]| match self.update_jaxpr() {
            Some(update) => ctx.inline_jaxpr(&update, args),
            None => Ok(Values::from_slice(&args[1..])),
        };
        let operands = [operand, indices, updates];
        ctx.op_with_region("stablehlo.scatter", &operands, &attrs, &[out], &[scalar, scalar], body)
    }
    /// d(x ± u) = dx ± du; the others are in [`scatter_jvp`]
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let ([x, indices, updates], [dx, _, du]) = (primals, tangents) else {
            bail!(Internal, "{}: takes 3 operands", self.name())
        };
        if self.apply.is_some() {
            bail!(
                Differentiation,
                "scatter_apply: it has no derivative. Gather the elements, apply the function, and scatter them"
            )
        }
        scatter_jvp::jvp(self, [x, indices, updates], dx, du)
    }
    /// x̄ = ȳ, with zeros written (replace) or multiplied by u (mul); ū = ȳ read where u was written, times ±1 (add,
    /// sub) or x (mul)
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let ([operand, indices, updates], Some(ct)) = (ins, &cts[0]) else {
            return Ok(smallvec![None; 3]);
        };
        let Some(indices) = indices.known() else {
            bail!(Internal, "{}: indices are not linear", self.name())
        };
        let updates_aval = updates.aval();
        let unique = |what: &str| -> Result<()> {
            if self.options.unique_indices {
                return Ok(());
            }
            bail!(Unimplemented, "{} {what} is only implemented where unique_indices is true", self.name())
        };
        let operand_ct = |ct: &Array| -> Result<Array> {
            Ok(match (self.combine, updates.known()) {
                (Combine::Add | Combine::Sub, _) => ct.clone(),
                (Combine::Replace, _) => {
                    unique("transpose")?;
                    self.apply(ct, indices, &zeros(ct.dtype(), updates_aval.shape()))
                }
                (Combine::Mul, Some(updates)) => self.apply(ct, indices, updates),
                _ => bail!(
                    Differentiation,
                    "{}: transpose is not defined, since it is not linear",
                    self.name()
                ),
            })
        };
        let updates_ct = |ct: &Array| -> Result<Array> {
            Ok(match (self.combine, operand.known()) {
                (Combine::Add, _) => self.read_ct(ct, indices, &updates_aval),
                (Combine::Sub, _) => neg(&self.read_ct(ct, indices, &updates_aval)),
                (Combine::Replace, _) => {
                    unique("transpose")?;
                    self.read_ct(ct, indices, &updates_aval)
                }
                (Combine::Mul, Some(operand)) => {
                    unique("gradient")?;
                    self.read_ct(&mul(ct, operand), indices, &updates_aval)
                }
                _ => bail!(
                    Differentiation,
                    "{}: transpose is not defined, since it is not linear",
                    self.name()
                ),
            })
        };
        let mut out: SmallVec<[Ct; 2]> = smallvec![None; 3];
        if operand.is_linear() {
            out[0] = Some(operand_ct(ct)?);
        }
        if updates.is_linear() {
            out[2] = Some(updates_ct(ct)?);
        }
        Ok(out)
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let ([operand, indices, updates], [operand_dim, indices_dim, updates_dim]) = (args, dims) else {
            bail!(Internal, "{}: takes 3 operands", self.name())
        };
        self.batched([operand, indices, updates], [*operand_dim, *indices_dim, *updates_dim])
    }
}

impl Scatter {
    /// The scatter over a mapped axis: a new window axis if the indices are not mapped, a batching axis if they are.
    pub(crate) fn batched(&self, args: [&Array; 3], dims: [BatchDim; 3]) -> Batched {
        let size = args.iter().zip(dims).find_map(|(x, d)| d.map(|d| x.shape()[d]));
        let Some(size) = size else { bail!(Internal, "{}: nothing is mapped", self.name()) };
        let operand = batch_axis_to_front(args[0], dims[0], size);
        let updates = batch_axis_to_front(args[2], dims[2], size);
        let numbers = &self.dimension_numbers;
        let (indices, dimension_numbers) = match dims[1] {
            None => (
                args[1].clone(),
                ScatterDimensionNumbers {
                    update_window_dims: shifted_with_front(&numbers.update_window_dims),
                    inserted_window_dims: shifted(&numbers.inserted_window_dims),
                    scatter_dims_to_operand_dims: shifted(&numbers.scatter_dims_to_operand_dims),
                    operand_batching_dims: shifted(&numbers.operand_batching_dims),
                    scatter_indices_batching_dims: numbers.scatter_indices_batching_dims.clone(),
                },
            ),
            dim => (
                batch_axis_to_front(args[1], dim, size),
                ScatterDimensionNumbers {
                    update_window_dims: shifted(&numbers.update_window_dims),
                    inserted_window_dims: shifted(&numbers.inserted_window_dims),
                    scatter_dims_to_operand_dims: shifted(&numbers.scatter_dims_to_operand_dims),
                    operand_batching_dims: shifted_with_front(&numbers.operand_batching_dims),
                    scatter_indices_batching_dims: shifted_with_front(&numbers.scatter_indices_batching_dims),
                },
            ),
        };
        let prim = Scatter { dimension_numbers, ..self.clone() };
        one_batched(prim.apply(&operand, &indices, &updates), Some(0))
    }

    /// The shape of one number for each window of `updates`: sizes along the window are 1.
    pub(crate) fn per_window(&self, updates: &[usize]) -> Shape {
        let window = &self.dimension_numbers.update_window_dims;
        (0..updates.len()).map(|d| if window.contains(&d) { 1 } else { updates[d] }).collect()
    }
}
