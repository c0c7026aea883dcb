//! `device_put`: moves arrays to devices, and keeps them there; linear. JAX: `device_put_p`, `jax.device_put`.
//! StableHLO: nothing, since a program runs where its arguments are.

use crate::core::array::{Array, Repr};
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent,
    Transposed,
};
use crate::core::sharding::{Sharding, ShardingTree, device_repr};
use crate::core::trace::{Tracer, bind_at, bind1, caller};
use crate::core::transfer::{self, Transfer};
use crate::error::{OrThrow, Result};
use crate::lax::elementwise::{linear_ct, nary_batch, one, unary_jvp};
use crate::mlir::Value;
use crate::tree::Pytree;

/// The same tree with its arrays where `shardings` say, and committed to be there: on a device, or cut over the devices of a mesh.
/// JAX: `jax.device_put`.
///
/// A computation runs where its committed arguments are, and its results are committed there. Arrays that were never
/// put anywhere are copied to where the others are; two that were put on different devices do not meet. An array that is
/// there already is not copied; one that is cut otherwise over the same devices is moved by a program of XLA's. A device of another
/// client is a device too: the copy goes by way of the host, and the client then lives as long as the process.
///
/// Inside of [`jit`](crate::jit) it moves nothing, as in JAX on the CPU: put the arguments, or say
/// [`with_sharding_constraint`](crate::lax::with_sharding_constraint). A sharding over several devices decides there where the program
/// runs. The same holds in the bodies of conditionals and loops, and in [`checkpoint`](crate::checkpoint), which JAX evaluates piece by
/// piece. A gradient comes back to where its array came from.
///
/// ```
/// use raxla::{P, config, device_put, devices, make_mesh, prelude::*};
///
/// config::set_num_cpu_devices(8)?; // before anything is computed; or RAXLA_NUM_CPU_DEVICES=8
/// let second = &devices()?[1];
/// let params = device_put(&vec![Array::from([1.0f32, 2.0]), Array::from(3)], second);
/// let y = jit(|p: &Vec<Array>| &p[0] * &p[1])(&params)?;
/// assert_eq!(y.device()?, *second);
///
/// let mesh = make_mesh([2], ["data"])?;
/// let halves = device_put(&y, mesh.sharding(P!["data"]));
/// assert_eq!((halves.devices()?.len(), halves.to_vec::<f32>()?), (2, vec![3.0, 6.0]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A deleted array; a device that belongs to another process; a sharding that cannot cut the array: too few axes, or sizes that the
/// number of parts does not divide. Later, where they meet: `add: received incompatible devices: argument 0 (f32[2]) is on cpu:0 and
/// argument 1 (f32[2]) is on cpu:1`.
#[track_caller]
pub fn device_put<T: Pytree>(tree: &T, shardings: impl Into<ShardingTree>) -> T {
    let loc = caller();
    let put = |x: &Array, device| {
        let device_put = DevicePut { device: Some(device), src: device_of(x) };
        Ok(bind_at(&device_put.into(), &[x], loc)?.swap_remove(0))
    };
    shardings.into().prefix().map("device_put: shardings", tree, put).or_throw()
}

/// The device of an array, or of the value below a tracer of `grad`: where the gradient is to go.
fn device_of(x: &Array) -> Option<Sharding> {
    match &x.0 {
        Repr::Device(x) => Some(x.sharding),
        Repr::Scalar(_) | Repr::Zero(_) => None,
        Repr::Tracer(Tracer::Dual(dual)) => device_of(&dual.primal),
        Repr::Ref(_) | Repr::Tracer(_) => None,
    }
}

/// Is it an array that the devices exchange parts of? Then that is a program.
fn is_cut_again(x: &Array, to: Sharding) -> bool {
    match &x.0 {
        Repr::Device(x) => {
            to.has_several_devices()
                && x.sharding != to
                && x.sharding.devices() == to.devices()
                && !x.sharding.is_fully_replicated()
        }
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DevicePut {
    /// `None`: stay.
    device: Option<Sharding>,
    /// Where the array comes from, if that is known.
    src: Option<Sharding>,
}

/// As JAX prints it: a device where that is all.
fn repr(sharding: Option<Sharding>) -> String {
    match sharding.map(Sharding::devices) {
        None => "None".into(),
        Some([device]) => device_repr(device),
        Some(_) => sharding.map(|s| s.to_string()).unwrap_or_default(),
    }
}

impl Primitive for DevicePut {
    fn name(&self) -> &'static str {
        "device_put"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("copy_semantics", Param::Text("(ArrayCopySemantics.REUSE_INPUT,)".into())),
            ("devices", Param::Text(format!("({},)", repr(self.device)))),
            ("srcs", Param::Text(format!("({},)", repr(self.src)))),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        self.device.map_or(Ok(()), |device| device.check(x.shape())).map_err(|e| e.context("device_put"))?;
        Ok(one(*x))
    }
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        let x = *args.first()?;
        let there = match self.device {
            None => Ok(x.clone()),
            Some(device) if is_cut_again(x, device) => {
                match self
                    .abstract_eval(&[x.aval()])
                    .and_then(|_| transfer::between_devices(Transfer::Explicit, || x.aval()))
                {
                    Ok(()) => return None,
                    Err(e) => Err(e),
                }
            }
            Some(device) => self.abstract_eval(&[x.aval()]).and_then(|_| x.put(device)),
        };
        Some(there.map(|x| Arrays::from_iter([x])))
    }
    fn sharding(&self) -> Option<Sharding> {
        self.device.filter(|device| device.has_several_devices())
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::forward()))
    }
    fn lower(&self, _: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(ins[0]))
    }
    /// dy = dx, there too
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |_, _, dx| bind1(*self, &[dx]))
    }
    /// x̄ = ȳ, back where x came from
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let back = DevicePut { device: self.src, src: self.device };
        Ok(linear_ct(cts, ins, |ct| bind1(back, &[ct])))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_device_put() {
        let mut draw = Draw::new(35);
        let device = config::default_sharding(config::current()).unwrap();
        check_rules([DType::F32, DType::C64, DType::I32, DType::Bool].into_iter().flat_map(|d| {
            let xs = [draw.values(d, &[]), draw.values(d, &[2, 3]), draw.values(d, &[0, 2])];
            xs.map(|x| case("device_put", [x], move |x| device_put(&x[0], device)))
        }));
    }
}
