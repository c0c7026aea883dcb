//! The call syntax: every form in which a function can be given to a transformation and called afterwards.
//!
//! The transformations here are stand-ins with the real types: they show what compiles and what reaches the function.

use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use raxla::signature::{
    Arg, Call, Differentiable, DifferentiableAux, FlatArgs, FlatFn, FlatOut, Fun, OutLeaves, Traceable,
};
use raxla::tree::{Flattener, Static, TreeDef, Unflattener};
use raxla::{Array, Pytree, Result};

struct Through(Arc<dyn FlatFn>);
impl FlatFn for Through {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        self.0.call(args)
    }
}
#[track_caller]
fn jit<M, F: Traceable<M>>(f: F) -> Fun<F::Sig> {
    Fun::from_flat(Arc::new(Through(f.into_flat())))
}
#[track_caller]
fn vmap<M, F: Traceable<M>>(f: F) -> Fun<F::Sig> {
    Fun::from_flat(Arc::new(Through(f.into_flat())))
}

/// Returns argument `n` as its own gradient.
struct Grad(Arc<dyn FlatFn>, usize, bool);
impl FlatFn for Grad {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let mut tokens = args.arg_tokens(self.1).to_vec();
        let mut leaves = OutLeaves::from(args.arg_leaves(self.1));
        let value = self.0.call(args)?;
        if self.2 {
            tokens.splice(0..0, value.tree.tokens().iter().cloned());
            tokens.insert(0, raxla::tree::Token::Tuple(2));
            leaves = value.leaves.into_iter().chain(leaves).collect();
        }
        Ok(FlatOut { leaves, tree: TreeDef::from_tokens(&tokens) })
    }
}
type GradOf<M, F, const N: usize = 0> = <<F as Traceable<M>>::Sig as Differentiable<N>>::Grad;
type ValueAndGradOf<M, F, const N: usize = 0> = <<F as Traceable<M>>::Sig as Differentiable<N>>::ValueAndGrad;

fn grad<M, F: Traceable<M>>(f: F) -> Fun<GradOf<M, F>>
where
    F::Sig: Differentiable,
{
    Fun::from_flat(Arc::new(Grad(f.into_flat(), 0, false)))
}
fn grad_argnum<const N: usize, M, F: Traceable<M>>(f: F) -> Fun<GradOf<M, F, N>>
where
    F::Sig: Differentiable<N>,
{
    Fun::from_flat(Arc::new(Grad(f.into_flat(), N, false)))
}
fn value_and_grad<M, F: Traceable<M>>(f: F) -> Fun<ValueAndGradOf<M, F>>
where
    F::Sig: Differentiable,
{
    Fun::from_flat(Arc::new(Grad(f.into_flat(), 0, true)))
}
fn value_and_grad_aux<M, F: Traceable<M>>(f: F) -> Fun<<F::Sig as DifferentiableAux>::ValueAndGrad>
where
    F::Sig: DifferentiableAux,
{
    Fun::from_flat(Arc::new(Grad(f.into_flat(), 0, true)))
}

#[derive(Pytree, Clone, Debug)]
struct Params {
    w: Array,
    b: Array,
}

fn params() -> Params {
    Params { w: Array::from(1.0), b: Array::from(0.5) }
}
// These compute nothing, so that what is tested here needs no engine.
fn loss(_: &Params, x: &Array, _: &Array) -> Array {
    x.clone()
}
fn loss_with_aux(p: &Params, x: &Array) -> (Array, Vec<Array>) {
    (x.clone(), vec![p.b.clone()])
}
fn update(p: Params, x: &Array, y: &Array) -> Result<Params> {
    let g = grad(loss)(&p, x, y)?;
    Ok(Params { w: g.w, b: p.b })
}
fn count(n: Array) -> (Array, Array) {
    (n.clone(), n)
}
struct Layer {
    scale: f32,
}
impl Layer {
    fn apply(&self, p: &Params, x: &Array) -> Array {
        if self.scale > 1.0 { p.w.clone() } else { x.clone() }
    }
}

#[test]
fn every_call_form_compiles() -> Result<()> {
    let (x, y) = (Array::from(1.0), Array::from(2.0));
    let mut p = params();
    let update = jit(update); // owned and borrowed arguments together
    for _ in 0..3 {
        p = update(p, &x, &y)?;
    }
    let fast_count = jit(count); // state in, state out
    let mut state = Array::from(0.0);
    for _ in 0..3 {
        let _value;
        (_value, state) = fast_count(state)?;
    }
    jit(|_: &Params, x: &Array| x.clone())(&p, &x)?; // closure
    jit(vmap(grad(loss)))(&p, &x, &y)?; // composition
    grad(grad(loss))(&p, &x, &y)?;
    let (_value, _grads): (Array, Params) = jit(value_and_grad(loss))(&p, &x, &y)?;
    let ((_value, _aux), _grads): ((Array, Vec<Array>), Params) =
        jit(value_and_grad_aux(loss_with_aux))(&p, &x)?;
    let dx: Array = grad_argnum::<1, _, _>(loss)(&p, &x, &y)?;
    drop(dx);
    let layer = Layer { scale: 2.0 };
    jit(move |p: &Params, x: &Array| layer.apply(p, x))(&p, &x)?; // captured value
    let nested = jit(|p: &Params, x: &Array| {
        // `?` inside a traced closure
        let g = grad(|_: &Params, x: &Array| x.clone())(p, x)?;
        Ok(g)
    });
    let _: Params = nested(&p, &x)?;
    let again = jit(&nested); // a reference, so that `nested` can still be called
    let _: Params = again(&p, &x)?;
    nested(&p, &x)?;
    Ok(())
}

#[test]
fn functions_of_zero_to_eight_arguments() -> Result<()> {
    let calls = Arc::new(AtomicUsize::new(0));
    let zero = jit({
        let calls = calls.clone();
        move || {
            calls.fetch_add(1, Relaxed);
            Array::from(1.0)
        }
    });
    zero()?;
    zero()?;
    assert_eq!(calls.load(Relaxed), 2);
    type Eight = (Array, Array, Array, Array, Array, Array, Array, Array);
    #[allow(clippy::too_many_arguments)]
    fn eight(a: Array, b: &Array, c: Array, d: &Array, e: Array, f: &Array, g: Array, h: &Array) -> Eight {
        (a, b.clone(), c, d.clone(), e, f.clone(), g, h.clone())
    }
    let n = |n: i32| Array::from(n);
    let out = jit(eight)(n(1), &n(2), n(3), &n(4), n(5), &n(6), n(7), &n(8))?;
    assert_eq!(format!("{out:?}"), format!("{:?}", (n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8))));
    let pick = jit(|pair: (Array, Array), list: &[Array], i: Static<usize>| (pair.1, list[*i].clone()));
    let picked = pick((n(1), n(2)), &[n(3), n(4)], Static(1))?;
    assert_eq!(format!("{picked:?}"), format!("{:?}", (n(2), n(4))));
    Ok(())
}

/// What one call looked like from inside.
#[derive(Default)]
struct Spy(Mutex<Vec<(Vec<bool>, &'static Location<'static>)>>);
struct Spied(Arc<dyn FlatFn>, Arc<Spy>);
impl FlatFn for Spied {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let donated = args.args.iter().map(|arg| arg.donated).collect();
        self.1.0.lock().unwrap().push((donated, args.caller));
        self.0.call(args)
    }
}
#[track_caller]
fn spied<M, F: Traceable<M>>(spy: &Arc<Spy>, f: F) -> Fun<F::Sig> {
    Fun::from_flat(Arc::new(Spied(f.into_flat(), spy.clone())))
}

#[test]
fn owned_arguments_are_donated_and_borrowed_ones_are_not() -> Result<()> {
    let spy = Arc::default();
    let (x, y) = (Array::from(1.0), Array::from(2.0));
    spied(&spy, update)(params(), &x, &y)?;
    assert_eq!(spy.0.lock().unwrap()[0].0, [true, false, false]);
    Ok(())
}

/// A tree that knows whether it has been dropped.
struct Probe(Array, Arc<AtomicUsize>);
impl Drop for Probe {
    fn drop(&mut self) {
        self.1.fetch_add(1, Relaxed);
    }
}
impl Pytree for Probe {
    fn flatten_into(&self, out: &mut Flattener) {
        self.0.flatten_into(out);
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        Ok(Probe(Array::unflatten_from(src)?, Arc::default()))
    }
}
impl Arg for Probe {
    type Tree = Self;
    type Item<'a> = Self;
    const DONATED: bool = true;
    fn flatten_into(item: &Self, out: &mut Flattener) {
        Pytree::flatten_into(item, out);
    }
    fn lend(slot: &mut Option<Self>) -> Result<Self> {
        slot.take().ok_or_else(raxla::signature::taken)
    }
}

/// Or else the buffers of a donated argument would always have a second owner.
#[test]
fn an_owned_argument_is_dropped_before_the_transformation_runs() -> Result<()> {
    let dropped = Arc::new(AtomicUsize::new(0));
    let call: Call<fn(Probe, &'static Probe) -> Array, usize> = Call::new({
        let dropped = dropped.clone();
        move |_| Ok(dropped.load(Relaxed))
    });
    let probe = || Probe(Array::from(1.0), dropped.clone());
    assert_eq!(call(probe(), &probe())?, 1);
    Ok(())
}

#[test]
fn a_transformation_learns_the_line_of_each_call() -> Result<()> {
    let spy = Arc::default();
    let first = line!();
    let f = spied(&spy, |x: Array| x);
    let g = spied(&spy, |x: Array| x);
    g(
        f(Array::from(1.0))?, //
    )?;
    f(f(Array::from(1.0))?)?;
    // A reference taken once and called twice: the second call is known only by where `f` was transformed.
    let taken = &*f;
    taken(Array::from(1.0))?;
    taken(Array::from(1.0))?;
    let calls = spy.0.lock().unwrap();
    let lines: Vec<u32> = calls.iter().map(|(_, at)| at.line() - first).collect();
    assert_eq!(lines, [4, 3, 6, 6, 8, 1]);
    assert!(calls.iter().all(|(_, at)| at.file() == file!()));
    Ok(())
}

#[test]
fn a_call_may_return_something_else() -> Result<()> {
    let describe: Call<fn(Params, &'static Array) -> Array, String> =
        Call::new(|args| Ok(format!("{} leaves in {} arguments", args.leaves.len(), args.args.len())));
    assert_eq!(describe(params(), &Array::from(1.0))?, "3 leaves in 2 arguments");
    Ok(())
}

#[test]
fn functions_know_their_names_and_whether_their_type_is_their_identity() {
    let flat = jit_less(update);
    assert_eq!(flat.name(), "update");
    assert_eq!(flat.type_key(), jit_less(update).type_key());
    assert!(flat.type_key().is_some());
    let scale = 2.0;
    let capturing = jit_less(move |x: &Array| if scale > 1.0 { x.clone() } else { Array::from(scale) });
    assert_eq!(capturing.name(), "<lambda>");
    assert_eq!(capturing.type_key(), None);
}
fn jit_less<M, F: Traceable<M>>(f: F) -> Arc<dyn FlatFn> {
    f.into_flat()
}

#[test]
fn transformed_functions_are_shared_between_threads() {
    fn check<T: Send + Sync + Clone>(_: &T) {}
    check(&jit(update));
}
