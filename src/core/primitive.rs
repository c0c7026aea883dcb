//! What a primitive is: one value with all of its rules. JAX: `core.Primitive` and the rule tables of its interpreters.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::axis::{AxisName, AxisNames};
use crate::core::effects::Effects;
use crate::core::jaxpr::Jaxpr;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::sharding::Sharding;
use crate::error::{Error, Result, err};
use crate::mlir::{Value, Values};
use crate::pjrt::CompilerOptions;

/// A primitive's arguments or results.
pub type Arrays = SmallVec<[Array; 2]>;

/// A tangent; `None` is a symbolic zero, which is never materialised. JAX: `ad.Zero`.
pub type Tangent = Option<Array>;

/// A cotangent; `None` is a symbolic zero.
pub type Ct = Option<Array>;

/// Where an argument or result carries the mapped axis; `None` is not mapped. JAX: `batching.not_mapped`.
pub type BatchDim = Option<usize>;

/// An axis that `vmap` adds. JAX: `AxisData`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MappedAxis {
    /// The name that collectives refer to it by. A primitive that doesn't sees none.
    pub name: Option<AxisName>,
    /// Its size.
    pub size: usize,
    /// The axes of a mesh along which sharding constraints cut it; `None` leaves that to XLA.
    pub spmd_name: Option<&'static AxisNames>,
}

/// What [`Primitive::jvp`] returns: the results and their tangents.
pub type Jvp = Result<(Arrays, SmallVec<[Tangent; 2]>)>;

/// What [`Primitive::transpose`] returns: a cotangent for each argument (`None` for a known one).
pub type Transposed = Result<SmallVec<[Ct; 2]>>;

/// What [`Primitive::batch`] returns: the results and where each carries the mapped axis.
pub type Batched = Result<(Arrays, SmallVec<[BatchDim; 2]>)>;

/// What [`Primitive::lower`] returns: one value for each result.
pub type LoweredValues = Result<Values>;

/// An argument of a linear equation that is being transposed.
#[derive(Clone, Debug)]
pub enum LinearInput {
    /// Not linear in this argument: its value.
    Known(Array),
    /// Linear in this argument: its aval (JAX: `UndefinedPrimal`).
    Linear(ShapedArray),
}

impl LinearInput {
    /// Is it an argument that needs a cotangent?
    pub fn is_linear(&self) -> bool {
        matches!(self, LinearInput::Linear(_))
    }

    /// Its aval.
    pub fn aval(&self) -> ShapedArray {
        match self {
            LinearInput::Known(x) => x.aval(),
            LinearInput::Linear(aval) => *aval,
        }
    }

    /// The value of a known argument.
    pub fn known(&self) -> Option<&Array> {
        match self {
            LinearInput::Known(x) => Some(x),
            LinearInput::Linear(_) => None,
        }
    }
}

/// One parameter as a jaxpr prints it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Param {
    /// Printed as it is.
    Text(String),
    /// A jaxpr, printed indented.
    Jaxpr(Arc<Jaxpr>),
    /// A tuple of jaxprs.
    Jaxprs(Vec<Arc<Jaxpr>>),
}

impl From<bool> for Param {
    /// As Python writes it.
    fn from(x: bool) -> Self {
        Param::Text(if x { "True" } else { "False" }.into())
    }
}

/// An operation that traces record, with its typed parameters as fields and all of its rules as methods.
///
/// Every rule but the transpose of a non-linear primitive must be there, so an incomplete primitive does not compile.
/// Inside a rule `bind` (and so every `lax` function) goes to the parent trace; what a rule throws becomes the
/// transformation's error.
pub trait Primitive: PrimitiveKey + fmt::Debug + Send + Sync + 'static {
    /// JAX's name of the primitive, without the `_p`.
    fn name(&self) -> &'static str;

    /// The parameters in alphabetical order, as JAX prints them.
    fn params(&self) -> Vec<(&'static str, Param)> {
        Vec::new()
    }

    /// Avals of the results. All checks of shapes and dtypes stand here.
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals>;

    /// Emits StableHLO for one equation.
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues;

    /// Results and tangents. At least one of `tangents` is not a symbolic zero.
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp;

    /// Cotangents of the linear arguments. `cts` has one entry per result, not all of them symbolic zeros.
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let _ = (cts, ins);
        Err(not_linear(self.name()))
    }

    /// The same over an extra axis, which argument `i` carries at `dims[i]`. At least one argument is mapped, or the axis has a
    /// name: it is one of [`axis_names`](Self::axis_names).
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched;

    /// Names of mapped axes that the primitive refers to: a collective its own, any other what its jaxprs refer to.
    fn axis_names(&self) -> Vec<AxisName> {
        axis_names_of(&self.sub_jaxprs())
    }

    /// Linearisation, where it is not simply [`jvp`](Self::jvp) with the tangents unknown: primitives that hold jaxprs, which
    /// alone are asked, split them into a known and a linear part. `None` asks for the simple way.
    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Option<Linearized>> {
        let _ = (primals, nonzero);
        Ok(None)
    }

    /// Jaxprs among the parameters.
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        Vec::new()
    }

    /// For dead code elimination: an equivalent primitive that computes only the results marked in `used`, with the
    /// indices of the inputs that it still needs. `None`: all or nothing. It may mark more results, which it cannot do
    /// without (carries of loops).
    fn dce(&self, used: &mut [bool]) -> Option<(Prim, Vec<usize>)> {
        let _ = used;
        None
    }

    /// The same without references: `args` has arrays in place of those that it takes. Whatever takes references, or holds jaxprs
    /// that do, has this rule. JAX: `register_discharge_rule`.
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        Err(no_refs(self.name(), args.len()))
    }

    /// An equation as a jaxpr prints it, if not as `results = name[parameters] operands`. `results` is empty if nobody uses them.
    fn equation(&self, results: &str, operands: &[String]) -> Option<String> {
        let _ = (results, operands);
        None
    }

    /// Evaluation of a primitive that is no computation of one device, such as `device_put`; `None`, for all others, asks
    /// for what [`lower`](Self::lower) emits to be compiled and run.
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        let _ = args;
        None
    }

    /// Where it says that its result is to be, on whose devices a program that has it runs.
    fn sharding(&self) -> Option<Sharding> {
        None
    }

    /// What its program is compiled with when it is evaluated; nothing that has some is lowered as a part of another program.
    fn compiler_options(&self) -> Option<&CompilerOptions> {
        None
    }

    /// What it does with keys among its operands, for `debug_key_reuse`. `None`: what the jaxpr does that it calls, or nothing.
    fn key_uses(&self, ins: &[ShapedArray]) -> Result<Option<KeyUses>> {
        let _ = ins;
        Ok(None)
    }

    /// What it does besides computing its results: it stays although nobody uses them, and runs once.
    fn effects(&self) -> Effects {
        effects_of(&self.sub_jaxprs())
    }
}

// What the defaults above do is here, where the compiler makes it once and not for each primitive.

fn not_linear(name: &str) -> Error {
    err!(Differentiation, "{name}: transpose is not defined, since it is not linear")
}

#[cold]
fn no_refs(name: &str, operands: usize) -> Error {
    err!(
        Unimplemented,
        "{name}: takes arrays, and one of its {operands} operands is an array reference, or it holds a function that uses some. \
         Read the reference first, by `get(..)`"
    )
}

fn axis_names_of(jaxprs: &[&Arc<Jaxpr>]) -> Vec<AxisName> {
    if jaxprs.is_empty() {
        return Vec::new();
    }
    jaxprs.iter().flat_map(|jaxpr| jaxpr.axis_names()).copied().collect()
}

fn effects_of(jaxprs: &[&Arc<Jaxpr>]) -> Effects {
    jaxprs.iter().map(|jaxpr| jaxpr.effects()).collect()
}

/// A linearised application of a primitive: the results, and a linear primitive that maps `residuals` followed by the
/// nonzero tangents to the tangents of those results that are marked in `nonzero_out`.
#[derive(Debug)]
pub struct Linearized {
    /// The results.
    pub primals_out: Arrays,
    /// The linear equation's primitive.
    pub linear: Prim,
    /// Its leading, known arguments.
    pub residuals: Vec<Array>,
    /// Which results have a nonzero tangent: the linear primitive returns just these, in order.
    pub nonzero_out: Vec<bool>,
    /// The linear primitive's arguments as positions among `residuals` followed by the tangents. `None`: as they stand.
    pub order: Option<Vec<usize>>,
}

/// What [`Primitive::discharge`] returns.
#[derive(Debug)]
pub struct Discharged {
    /// The results.
    pub outs: Arrays,
    /// What becomes of the operands that are references, one for each operand.
    pub refs: SmallVec<[RefUpdate; 2]>,
}

/// What an equation does to a reference.
#[derive(Clone, Debug)]
pub enum RefUpdate {
    /// Nothing; or the operand is none.
    Unchanged,
    /// It refers to this from now on.
    Is(Array),
    /// It refers to nothing any more, and why.
    Gone(&'static str),
}

/// Comparison and hashing of primitives behind `dyn`; implemented for whatever is `Eq + Hash`.
pub trait PrimitiveKey {
    /// Same type, equal parameters.
    fn key_eq(&self, other: &dyn Primitive) -> bool;
    /// Hash of type and parameters.
    fn key_hash(&self, state: &mut dyn Hasher);
    /// For downcasts.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Primitive + Eq + Hash> PrimitiveKey for T {
    fn key_eq(&self, other: &dyn Primitive) -> bool {
        other.as_any().downcast_ref::<T>() == Some(self)
    }
    fn key_hash(&self, mut state: &mut dyn Hasher) {
        state.write_usize(self.name().as_ptr() as usize);
        self.hash(&mut state);
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A shared primitive. One without parameters costs no allocation.
#[derive(Clone)]
pub enum Prim {
    /// A primitive without parameters.
    Static(&'static dyn Primitive),
    /// A primitive with parameters.
    Shared(Arc<dyn Primitive>),
}

impl<P: Primitive> From<P> for Prim {
    fn from(primitive: P) -> Self {
        if size_of::<P>() == 0 {
            // Boxing a zero-sized value allocates nothing, so nothing leaks.
            Prim::Static(Box::leak(Box::new(primitive)))
        } else {
            Prim::Shared(Arc::new(primitive))
        }
    }
}

impl Deref for Prim {
    type Target = dyn Primitive;
    fn deref(&self) -> &(dyn Primitive + 'static) {
        match self {
            Prim::Static(p) => *p,
            Prim::Shared(p) => &**p,
        }
    }
}

impl PartialEq for Prim {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Prim::Shared(a), Prim::Shared(b)) if Arc::ptr_eq(a, b) => true,
            _ => self.key_eq(&**other),
        }
    }
}
impl Eq for Prim {}

impl Hash for Prim {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key_hash(state);
    }
}

impl fmt::Debug for Prim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
