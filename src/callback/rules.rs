//! The primitives `pure_callback`, `io_callback`, `debug_callback` and `debug_print`: one call of a function of this process,
//! with what each allows. StableHLO: `custom_call`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::function::Callback;
use super::{Effect, VmapMethod};
use crate::control_flow::{ScanOptions, scan_with};
use crate::core::array::{Array, Repr};
use crate::core::aval::{Avals, ShapedArray};
use crate::core::effects::Effects;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent,
    Transposed,
};
use crate::core::trace::{bind, caller, unexpected_tracer};
use crate::error::{Result, bail};
use crate::interpreters::batching::move_batch_axis;
use crate::lax;
use crate::mlir::Value;
use crate::pjrt::HostCall;

/// The call. Operands: the arguments; results: what the function returns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostCallback {
    pub kind: Kind,
    /// `None`: it is pure.
    pub effect: Option<Effect>,
    pub callback: Arc<Callback>,
    pub results: Box<[ShapedArray]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Pure(Option<VmapMethod>),
    Io,
    Debug,
    /// With the format.
    Print(&'static str),
}

impl HostCallback {
    fn is_debug(&self) -> bool {
        matches!(self.kind, Kind::Debug | Kind::Print(_))
    }

    fn is_ordered(&self) -> bool {
        !self.effects().ordered().is_empty()
    }

    /// One call for each element of the mapped axis. JAX: `debug_batching_rule`.
    fn batch_unrolled(&self, size: usize, args: &[Array], dims: &[BatchDim]) -> Batched {
        for i in 0..size {
            let element = |(x, dim): (&Array, &BatchDim)| match dim {
                Some(dim) => lax::index_along(x, i as i64, *dim),
                None => x.clone(),
            };
            let element: Vec<Array> = args.iter().zip(dims).map(element).collect();
            bind(self.clone(), &element.iter().collect::<SmallVec<[&Array; 4]>>())?;
        }
        Ok((Arrays::new(), SmallVec::new()))
    }

    /// One call for each element of the mapped axis, in a loop, `unroll` of them in one turn.
    fn batch_in_loop(&self, size: usize, args: &[Array], dims: &[BatchDim], unroll: usize) -> Batched {
        let mapped = args.iter().zip(dims).filter(|(_, d)| d.is_some());
        let xs: Vec<Array> = mapped.map(|(x, d)| move_batch_axis(x, *d, 0, size)).collect();
        let body = |(): (), slices: Vec<Array>| -> Result<((), Vec<Array>)> {
            let mut slices = slices.iter();
            let each =
                args.iter().zip(dims).filter_map(|(x, d)| if d.is_some() { slices.next() } else { Some(x) });
            let outs = bind(self.clone(), &each.collect::<SmallVec<[&Array; 4]>>())?;
            Ok(((), outs.into_vec()))
        };
        let options = ScanOptions::new().length(size).unroll(unroll.clamp(1, size.max(1)));
        let ((), outs) = scan_with(body, (), xs, options)?;
        let dims = SmallVec::from_elem(Some(0), outs.len());
        Ok((outs.into(), dims))
    }

    /// One call with the mapped axis in front of each argument, of size one or broadcast where the argument is not mapped.
    fn batch_at_once(&self, size: usize, args: &[Array], dims: &[BatchDim], broadcast: bool) -> Batched {
        let args = args.iter().zip(dims).map(|(x, d)| match d {
            Some(_) => move_batch_axis(x, *d, 0, size),
            None if broadcast => move_batch_axis(x, None, 0, size),
            None => move_batch_axis(x, None, 0, 1),
        });
        let args: Vec<Array> = args.collect();
        let results = self.results.iter().map(|aval| aval.with_axis(0, size)).collect();
        let outs =
            bind(HostCallback { results, ..self.clone() }, &args.iter().collect::<SmallVec<[&Array; 4]>>())?;
        let dims = SmallVec::from_elem(Some(0), outs.len());
        Ok((outs, dims))
    }
}

impl Primitive for HostCallback {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Pure(_) => "pure_callback",
            Kind::Io => "io_callback",
            Kind::Debug => "debug_callback",
            Kind::Print(_) => "debug_print",
        }
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let text = |text: String| Param::Text(text);
        let callback = ("callback", text(format!("{:?}", self.callback)));
        let result_avals = || {
            let avals: Vec<String> = self.results.iter().map(ShapedArray::to_string).collect();
            (
                "result_avals",
                text(format!("({}{})", avals.join(", "), if avals.len() == 1 { "," } else { "" })),
            )
        };
        match self.kind {
            Kind::Pure(method) => {
                let method = method.map_or("None", VmapMethod::name).to_owned();
                vec![callback, result_avals(), ("vmap_method", text(method))]
            }
            Kind::Io => vec![callback, ("ordered", Param::from(self.is_ordered())), result_avals()],
            Kind::Debug => {
                vec![callback, ("effect", text(self.effect.map_or("None", Effect::name).to_owned()))]
            }
            Kind::Print(fmt) => {
                vec![("fmt", text(fmt.to_owned())), ("ordered", Param::from(self.is_ordered()))]
            }
        }
    }
    fn effects(&self) -> Effects {
        self.effect.map_or(Effects::NONE, Effects::from)
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        Ok(self.results.iter().cloned().collect())
    }
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        let value = |x: &&Array| match &x.0 {
            Repr::Tracer(t) => Err(unexpected_tracer(t)),
            _ => Ok((*x).clone()),
        };
        let args = args.iter().map(value).collect::<Result<Vec<_>>>();
        let outs = args.and_then(|args| self.callback.run(&args, &self.results));
        Some(outs.map(Arrays::from).map_err(|e| e.context(self.name())))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let avals: Vec<ShapedArray> = ins.iter().map(|x| ctx.aval(*x)).collect();
        let (callback, results) = (self.callback.clone(), self.results.clone());
        let run =
            move |ins: &[&[u8]], outs: &mut [&mut [u8]]| callback.run_on_bytes(&avals, &results, ins, outs);
        let loc = ctx.location().unwrap_or_else(caller);
        ctx.host_call(HostCall::new(self.name(), loc, run), self.effect, ins, outs)
    }

    /// that of a debugging callback shows the primal values; others have none
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        match self.kind {
            Kind::Pure(_) => bail!(
                Differentiation,
                "pure callbacks do not support JVP: use `custom_jvp` to use callbacks while taking gradients"
            ),
            Kind::Io => bail!(Differentiation, "IO callbacks do not support JVP"),
            Kind::Debug | Kind::Print(_) => {
                let outs = bind(self.clone(), &primals.iter().collect::<SmallVec<[&Array; 4]>>())?;
                Ok((outs, SmallVec::new()))
            }
        }
    }

    /// nothing goes back through one that gives nothing
    fn transpose(&self, _: &[Ct], ins: &[LinearInput]) -> Transposed {
        if !self.is_debug() {
            bail!(Differentiation, "{}: callbacks do not support transpose", self.name());
        }
        Ok(SmallVec::from_elem(None, ins.len()))
    }

    /// a call for each element, unless a pure one says otherwise
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        match self.kind {
            Kind::Debug | Kind::Print(_) => self.batch_unrolled(axis.size, args, dims),
            Kind::Io if self.is_ordered() => bail!(Unimplemented, "cannot `vmap` ordered IO callback"),
            Kind::Io | Kind::Pure(Some(VmapMethod::Sequential)) => {
                self.batch_in_loop(axis.size, args, dims, 1)
            }
            Kind::Pure(Some(VmapMethod::SequentialUnrolled)) => {
                self.batch_in_loop(axis.size, args, dims, usize::MAX)
            }
            Kind::Pure(Some(VmapMethod::ExpandDims)) => self.batch_at_once(axis.size, args, dims, false),
            Kind::Pure(Some(VmapMethod::BroadcastAll)) => self.batch_at_once(axis.size, args, dims, true),
            Kind::Pure(None) => bail!(
                Unimplemented,
                "vmap is only supported for `pure_callback` when it is told how: `pure_callback_with` takes a vmap_method, one \
                 of sequential, sequential_unrolled, expand_dims and broadcast_all"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use crate::callback::{PureCallbackOptions, VmapMethod, io_callback, pure_callback_with};
    use crate::core::array::Array;
    use crate::debug;
    use crate::dtype::DType;
    use crate::error::OrThrow;
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::{custom_jvp, lax};

    fn twice(x: Array) -> Array {
        lax::mul(&x, &lax::full_like(&x, 2.0))
    }

    #[test]
    fn rules_of_callbacks_that_give_values() {
        let mut draw = Draw::new(61);
        let mut x = || [draw.uniform(DType::F32, &[2, 3], -1.0, 1.0)];
        let pure = |method: VmapMethod| {
            move |x: &[Array]| {
                let options = PureCallbackOptions::new().vmap_method(method);
                pure_callback_with(twice, &x[0], &x[0], options).or_throw()
            }
        };
        let methods = [
            VmapMethod::Sequential,
            VmapMethod::SequentialUnrolled,
            VmapMethod::ExpandDims,
            VmapMethod::BroadcastAll,
        ];
        for method in methods {
            check_rules([case("pure_callback", x(), pure(method)).without_derivatives()]);
        }
        // With the derivative that it does not have itself.
        fn on_the_host(x: &Array) -> Array {
            let options = PureCallbackOptions::new().vmap_method(VmapMethod::ExpandDims);
            pure_callback_with(twice, x, x, options).or_throw()
        }
        let f = custom_jvp(on_the_host, |(x,): (Array,), (dx,): (Array,)| (twice(x), twice(dx)));
        let differentiable = move |x: &[Array]| f(&x[0]).or_throw();
        check_rules([
            case("pure_callback of custom_jvp", x(), differentiable),
            case("io_callback", x(), |x| io_callback(twice, &x[0], &x[0]).or_throw()).without_derivatives(),
        ]);
    }

    #[test]
    fn rules_of_callbacks_that_look_at_values() {
        // What captures nothing is the same function in each trace.
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let mut draw = Draw::new(62);
        let mut x = || [draw.uniform(DType::F32, &[3], -1.0, 1.0)];
        let look = |x: &[Array]| {
            let count = |_: Array| {
                CALLS.fetch_add(1, Relaxed);
            };
            debug::callback(count, &x[0]).or_throw();
            lax::sin(&x[0])
        };
        let print = |x: &[Array]| {
            debug::print!("{}", x[0]);
            lax::cos(&x[0])
        };
        let printed = debug::redirect(std::io::sink());
        check_rules([case("debug_callback", x(), look), case("debug_print", x(), print)]);
        drop(printed);
        crate::effects_barrier().unwrap();
        assert!(CALLS.load(Relaxed) > 0);
    }
}
