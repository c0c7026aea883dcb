//! `composite`: an operation with a name, and a function that says what it computes. JAX: `lax.composite`, `composite_p`.
//! StableHLO: `composite`.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::arguments::options;
use crate::calls::refs;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::jaxpr::Jaxpr;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Prim, Primitive, Tangent,
    Transposed,
};
use crate::core::trace::bind_at;
use crate::error::{Result, bail, catch};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};
use crate::mlir::Value;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Traceable};

/// What a compiler is told of a composite operation beside its operands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CompositeAttribute {
    /// A boolean.
    Bool(bool),
    /// An integer, of 64 bits.
    Integer(i64),
    /// A number, of 64 bits.
    Float(f64),
    /// A text.
    Text(String),
    /// Several of them.
    List(Vec<CompositeAttribute>),
}

macro_rules! attributes_from {
    ($($t:ty, $x:ident => $variant:ident($value:expr);)*) => {$(
        impl From<$t> for CompositeAttribute {
            fn from($x: $t) -> Self {
                CompositeAttribute::$variant($value)
            }
        }
    )*};
}
attributes_from! {
    bool, x => Bool(x);
    i32, x => Integer(x.into());
    i64, x => Integer(x);
    f64, x => Float(x);
    &str, x => Text(x.into());
    String, x => Text(x);
    Vec<CompositeAttribute>, x => List(x);
}

impl CompositeAttribute {
    /// Appends the leaves as Python prints them, and gives the tree.
    fn printed(&self, leaves: &mut Vec<String>) -> String {
        leaves.push(match self {
            CompositeAttribute::Bool(x) => if *x { "True" } else { "False" }.to_owned(),
            CompositeAttribute::Integer(x) => x.to_string(),
            CompositeAttribute::Float(x) => format!("{x:?}"),
            CompositeAttribute::Text(x) => format!("'{x}'"),
            CompositeAttribute::List(list) => {
                return as_tuple(&list.iter().map(|x| x.printed(leaves)).collect::<Vec<_>>());
            }
        });
        "*".to_owned()
    }

    fn mlir(&self) -> String {
        match self {
            CompositeAttribute::Bool(x) => x.to_string(),
            CompositeAttribute::Integer(x) => format!("{x} : i64"),
            CompositeAttribute::Float(x) if x.is_finite() => format!("{x:.17e} : f64"),
            CompositeAttribute::Float(x) => format!("0x{:016X} : f64", x.to_bits()),
            CompositeAttribute::Text(x) => format!("\"{}\"", quoted(x)),
            CompositeAttribute::List(list) => {
                let list: Vec<String> = list.iter().map(Self::mlir).collect();
                format!("[{}]", list.join(", "))
            }
        }
    }
}

/// As Python prints a tuple.
fn as_tuple(parts: &[String]) -> String {
    format!("({}{})", parts.join(", "), if parts.len() == 1 { "," } else { "" })
}

/// As MLIR writes what stands between quotes.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if !matches!(byte, b'"' | b'\\') => out.push(byte.into()),
            _ => out.push_str(&format!("\\{byte:02X}")),
        }
    }
    out
}

/// Floats count by their bits.
impl PartialEq for CompositeAttribute {
    fn eq(&self, other: &Self) -> bool {
        self.mlir() == other.mlir()
    }
}
impl Eq for CompositeAttribute {}
impl Hash for CompositeAttribute {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.mlir().hash(state);
    }
}

options! {
    /// Options of [`composite_with`].
    pub struct CompositeOptions {
        /// Which meaning of the name is meant.
        version: value i32 = 0,
        /// What the compiler is told beside the operands, by name.
        attributes: value Vec<(String, CompositeAttribute)> = Vec::new(),
    }
}

impl CompositeOptions {
    /// One more of the [`attributes`](Self::attributes). JAX: a keyword argument of the function.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<CompositeAttribute>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
}

/// `decomposition` as one operation of this name, for a compiler that knows it; any other compiles the function.
///
/// ```
/// use raxla::{lax, prelude::*};
///
/// let tangent = lax::composite(|x: &Array| lax::div(&lax::sin(x), &lax::cos(x)), "my.tangent");
/// let text = jit(tangent.clone()).lower()(&Array::from(0.5))?.as_text().to_owned();
/// assert!(text.contains("stablehlo.composite") && text.contains("my.tangent"));
/// assert_eq!(tangent(&Array::from(0.0))?.item::<f32>()?, 0.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// It has no derivatives and is not batched: [`custom_jvp`](crate::custom_jvp) and
/// [`custom_vmap`](crate::custom_batching::custom_vmap) around it say what they are.
///
/// # Errors
/// Those of the function. `Differentiation`, `Unimplemented` under `grad` and `vmap`. `UnexpectedTracer` if the function captures a
/// tracer, which it must take as an argument.
#[track_caller]
pub fn composite<'f, F, M>(decomposition: F, name: impl Into<String>) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    composite_with(decomposition, name, CompositeOptions::new())
}

/// [`composite`] with a version and attributes.
///
/// ```
/// use raxla::lax::{self, CompositeOptions};
/// use raxla::{nn, prelude::*};
///
/// let options = CompositeOptions::new().version(1).attribute("axis", -1);
/// let softmax = lax::composite_with(|x: &Array| nn::softmax(x, -1), "my.softmax", options);
/// let text = jit(softmax).lower()(&Array::from([0.5f32, 1.0]))?.as_text().to_owned();
/// assert!(text.contains("= -1 : i64") && text.contains("version = 1 : i32"));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`composite`].
#[track_caller]
pub fn composite_with<'f, F, M>(
    decomposition: F,
    name: impl Into<String>,
    options: CompositeOptions,
) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    let CompositeOptions { version, attributes } = options;
    let kind = Kind { name: name.into(), version, attributes };
    Fun::from_flat(Arc::new(CompositeFn { f: M::into_flat(decomposition), kind: Arc::new(kind) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    name: String,
    version: i32,
    attributes: Vec<(String, CompositeAttribute)>,
}

struct CompositeFn<'f> {
    f: Arc<dyn FlatFn + 'f>,
    kind: Arc<Kind>,
}

impl FlatFn for CompositeFn<'_> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let run = || {
            let avals: Vec<ShapedArray> = args.leaves.iter().map(Array::aval).collect();
            let (closed, tree) = trace_to_jaxpr_with(&avals, |leaves| {
                let out = self.f.call(args.with_leaves(leaves))?;
                Ok((out.leaves.into_vec(), out.tree))
            })?;
            let (jaxpr, consts) = convert_constvars(closed);
            if consts.iter().any(Array::is_tracer) {
                bail!(
                    UnexpectedTracer,
                    "the decomposition of the composite '{}' captures a tracer: what is not known when it is compiled must be \
                     an argument of the composite",
                    self.kind.name
                );
            }
            let operands: Vec<Array> = consts.iter().chain(&args.leaves).cloned().collect();
            let prim = Prim::from(Composite { kind: self.kind.clone(), jaxpr });
            let leaves = bind_at(&prim, &refs(&operands), caller)?.into_iter().collect();
            Ok(FlatOut { leaves, tree })
        };
        catch(run).map_err(|e| e.at(caller))
    }
    fn name(&self) -> Cow<'static, str> {
        self.f.name()
    }
    fn describe(&self) -> String {
        self.f.describe()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Composite {
    kind: Arc<Kind>,
    jaxpr: Arc<Jaxpr>,
}

impl Primitive for Composite {
    fn name(&self) -> &'static str {
        "composite"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let each = |(name, value): &(String, CompositeAttribute)| {
            let mut leaves = Vec::new();
            let tree = value.printed(&mut leaves);
            format!("('{name}', {}, PyTreeDef({tree}))", as_tuple(&leaves))
        };
        let attributes: Vec<String> = self.kind.attributes.iter().map(each).collect();
        vec![
            ("attributes", Param::Text(as_tuple(&attributes))),
            ("jaxpr", Param::Jaxpr(self.jaxpr.clone())),
            ("name", Param::Text(self.kind.name.clone())),
            ("version", Param::Text(self.kind.version.to_string())),
        ]
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![&self.jaxpr]
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        if !self.jaxpr.effects().is_empty() {
            bail!(
                Unimplemented,
                "composite: effects are not supported in a decomposition: {:?}",
                self.jaxpr.effects()
            );
        }
        Ok(self.jaxpr.out_avals().into())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let Kind { name, version, attributes } = &*self.kind;
        let function = ctx.function_of(name, &self.jaxpr)?;
        let attributes: Vec<String> = attributes
            .iter()
            .map(|(name, value)| format!("\"{}\" = {}", quoted(name), value.mlir()))
            .collect();
        let attrs = format!(
            "composite_attributes = {{{}}}, decomposition = @{function}, name = \"{}\", version = {version} : i32",
            attributes.join(", "),
            quoted(name)
        );
        let types: Vec<_> = outs.iter().map(|aval| ctx.ty(aval)).collect();
        Ok(ctx.op("stablehlo.composite", ins, &attrs, &types))
    }
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        bail!(
            Differentiation,
            "the composite '{}' has no derivative: `custom_jvp` around it says what it is",
            self.kind.name
        )
    }
    fn transpose(&self, _: &[Ct], _: &[LinearInput]) -> Transposed {
        bail!(
            Differentiation,
            "the composite '{}' is not transposed: `custom_jvp` or `custom_vjp` around it say what its derivative is",
            self.kind.name
        )
    }
    fn batch(&self, _: &MappedAxis, _: &[Array], _: &[BatchDim]) -> Batched {
        bail!(
            Unimplemented,
            "batching rule for 'composite' not implemented: `custom_vmap` around '{}' says what it is",
            self.kind.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{grad, jit, vmap};
    use crate::custom_jvp;
    use crate::error::{ErrorKind, OrThrow};
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::lax::{cos, div, mul, sin};

    fn tangent(x: &Array) -> Result<Array> {
        composite(|x: &Array| div(&sin(x), &cos(x)), "my.tangent")(x)
    }

    #[test]
    fn composite_is_its_decomposition() {
        let x = Draw::new(73).uniform(crate::DType::F32, &[2, 3], -1.0, 1.0);
        let composed = case("composite", [x], |x| tangent(&x[0]).or_throw());
        check_rules([composed.without_derivatives().without_vmap()]);
    }

    #[test]
    fn what_it_has_not_is_said() {
        let x = Array::from([0.5f32, 1.0]);
        let e = grad(tangent)(&Array::from(0.5)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Differentiation);
        assert!(e.message().contains("'my.tangent' has no derivative"), "{e}");
        let e = vmap(tangent)(&x).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unimplemented);
        let captures = jit(|x: &Array| composite(capture_of(x), "captures")(x));
        assert_eq!(captures(&x).unwrap_err().kind(), ErrorKind::UnexpectedTracer);
        let f = custom_jvp(tangent, |(x,): (Array,), (dx,): (Array,)| -> Result<(Array, Array)> {
            let y = tangent(&x)?;
            Ok((y, div(&dx, &mul(&cos(&x), &cos(&x)))))
        });
        let slope = jit(grad(f))(&Array::from(0.0)).unwrap();
        assert_eq!(slope.item::<f32>().unwrap(), 1.0);
    }

    fn capture_of(x: &Array) -> impl Fn(&Array) -> Array + Send + Sync + use<> {
        let x = x.clone();
        move |y| mul(&x, y)
    }

    #[test]
    fn attributes_are_written_as_mlir_has_them() {
        let list = CompositeAttribute::List(vec![1.into(), true.into(), 0.5.into(), "a\"b".into()]);
        assert_eq!(list.mlir(), "[1 : i64, true, 5.00000000000000000e-1 : f64, \"a\\22b\"]");
        assert_eq!(CompositeAttribute::from(f64::INFINITY).mlir(), "0x7FF0000000000000 : f64");
    }
}
