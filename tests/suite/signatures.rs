//! The call syntax: every form in which a function can be given to a transformation and called afterwards.
//!
//! The transformations here are stand-ins with the real types: they show what compiles and what reaches the function.

use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use raxla::signature::{
    Arg, ArgAt, Call, FlatArgs, FlatFn, FlatOut, Fun, Function, OutLeaves, Signature, Traceable,
};
use raxla::tree::{Flattener, Static, TreeDef, Unflattener};
use raxla::{Array, Pytree, Result};

struct Through<'f>(Arc<dyn FlatFn + 'f>);
impl FlatFn for Through<'_> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        self.0.call(args)
    }
}
#[track_caller]
fn jit<F: Function<M>, M: Traceable<'static, F>>(f: F) -> Fun<'static, M::Sig> {
    Fun::from_flat(Arc::new(Through(M::into_flat(f))))
}
#[track_caller]
fn vmap<'f, F: Function<M>, M: Traceable<'f, F>>(f: F) -> Fun<'f, M::Sig> {
    Fun::from_flat(Arc::new(Through(M::into_flat(f))))
}

/// Returns argument `n` as its own gradient.
struct Grad<'f>(Arc<dyn FlatFn + 'f>, usize, bool);
impl FlatFn for Grad<'_> {
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
type Sig<'f, M, F> = <M as Traceable<'f, F>>::Sig;
type Returning<'f, M, F, R> = Fun<'f, <Sig<'f, M, F> as Signature>::Returning<R>>;
type Tree<'f, M, F, const N: usize> = <Sig<'f, M, F> as ArgAt<N>>::Tree;
type Both<'f, M, F> = (<Sig<'f, M, F> as Signature>::Out, Tree<'f, M, F, 0>);

fn grad<'f, F: Function<M>, M: Traceable<'f, F>>(f: F) -> Returning<'f, M, F, Tree<'f, M, F, 0>>
where
    M::Sig: ArgAt<0>,
{
    Fun::from_flat(Arc::new(Grad(M::into_flat(f), 0, false)))
}
fn grad_of_1<'f, F: Function<M>, M: Traceable<'f, F>>(f: F) -> Returning<'f, M, F, Tree<'f, M, F, 1>>
where
    M::Sig: ArgAt<1>,
{
    Fun::from_flat(Arc::new(Grad(M::into_flat(f), 1, false)))
}
fn value_and_grad<'f, F, M>(f: F) -> Returning<'f, M, F, Both<'f, M, F>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    M::Sig: ArgAt<0>,
{
    Fun::from_flat(Arc::new(Grad(M::into_flat(f), 0, true)))
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
    fn apply_to_none(x: &Array) -> Array {
        x.clone()
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
    let ((_value, _aux), _grads): ((Array, Vec<Array>), Params) = jit(value_and_grad(loss_with_aux))(&p, &x)?;
    let dx: Array = grad_of_1(loss)(&p, &x, &y)?;
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
fn spied<F: Function<M>, M: Traceable<'static, F>>(spy: &Arc<Spy>, f: F) -> Fun<'static, M::Sig> {
    Fun::from_flat(Arc::new(Spied(M::into_flat(f), spy.clone())))
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
    fn flatten_into(mut item: Self, out: &mut Flattener) {
        Pytree::take_into(&mut item, out);
    }
    fn lend(slot: &mut Option<Self>) -> Result<Self> {
        slot.take().ok_or_else(raxla::signature::taken)
    }
}

/// Or else the buffers of a donated argument would always have a second owner.
#[test]
fn an_owned_argument_is_dropped_before_the_transformation_runs() -> Result<()> {
    let dropped = Arc::new(AtomicUsize::new(0));
    let call: Call<'_, fn(Probe, &'static Probe) -> Array, usize> = Call::new({
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
    let describe: Call<'_, fn(Params, &'static Array) -> Array, String> =
        Call::new(|args| Ok(format!("{} leaves in {} arguments", args.leaves.len(), args.args.len())));
    assert_eq!(describe(params(), &Array::from(1.0))?, "3 leaves in 2 arguments");
    Ok(())
}

#[test]
fn functions_know_their_names_and_closures_their_lines() {
    fn flat<F: Function<M>, M: Traceable<'static, F>>(f: F) -> Fun<'static, M::Sig> {
        Fun::new(f)
    }
    assert_eq!(flat(update).flat().name(), "update");
    assert_eq!(flat(update).flat().describe(), "update");
    let scale = 2.0;
    let line = line!() + 1;
    let f = Fun::new(move |x: &Array| if scale > 1.0 { x.clone() } else { Array::from(scale) });
    assert_eq!(f.flat().name(), "<lambda>");
    assert_eq!(f.flat().describe(), format!("<lambda> at {}:{line}", file!()));
    let hidden: Arc<dyn Fn(&Array) -> Array + Send + Sync> = Arc::new(|x| x.clone());
    assert_eq!(flat(hidden).flat().name(), "<lambda>");
    let pointer: fn(Array) -> (Array, Array) = count;
    assert_eq!(flat(pointer).flat().name(), "<lambda>");
}

fn returned(factor: f32) -> impl Fn(&Array) -> Array {
    move |x| if factor > 1.0 { x.clone() } else { Array::from(factor) }
}
fn handed_on<F: Fn(&Params, &Array) -> Result<Array> + Send + Sync>(f: F, x: &Array) -> Result<Params> {
    grad(&f)(&params(), x)?;
    grad(f)(&params(), x)
}
fn compiled<F: Fn(&Array) -> Array + Send + Sync + 'static>(
    f: F,
) -> Fun<'static, fn(&'static Array) -> Array> {
    jit(f)
}

type Unary = dyn Fn(&Array) -> Array + Send + Sync;
type Binary = dyn Fn(Array, &Array) -> Result<Array> + Send + Sync;

#[test]
fn functions_may_come_from_anywhere() -> Result<()> {
    let x = Array::from(1.0);
    jit(returned(2.0))(&x)?; // an opaque type
    jit(vmap(returned(2.0)))(&x)?;
    compiled(returned(2.0))(&x)?;
    handed_on(|_: &Params, x: &Array| Ok(x.clone()), &x)?; // a parameter of a generic function
    let boxed: Vec<Box<Unary>> = vec![Box::new(returned(2.0)), Box::new(|x| x.clone())];
    for f in &boxed {
        vmap(f)(&x)?;
        grad(&**f)(&x)?;
    }
    for f in boxed {
        jit(f)(&x)?;
    }
    let shared: Arc<Binary> = Arc::new(|x, _| Ok(x));
    jit(shared.clone())(x.clone(), &x)?;
    grad(shared)(x.clone(), &x)?;
    jit(Arc::new(returned(2.0)))(&x)?;
    let pointer: fn(Array) -> (Array, Array) = count;
    jit(pointer)(x.clone())?;
    let layer = Layer { scale: 2.0 };
    let method = |p: &Params, x: &Array| layer.apply(p, x); // borrows
    grad(method)(&params(), &x)?;
    vmap(Layer::apply_to_none)(&x)?;
    Ok(())
}

#[test]
fn an_optional_argument_may_be_borrowed() -> Result<()> {
    let f = |x: &Array, other: Option<&Array>, owned: Option<Array>| {
        owned.or(other.cloned()).unwrap_or(x.clone())
    };
    let spy = Arc::default();
    let f = spied(&spy, f);
    let x = |n: i32| Array::from(n);
    let shown = |x: Array| format!("{x:?}");
    assert_eq!(shown(f(&x(1), None, None)?), shown(x(1)));
    assert_eq!(shown(f(&x(1), Some(&x(2)), None)?), shown(x(2)));
    assert_eq!(shown(f(&x(1), Some(&x(2)), Some(x(3)))?), shown(x(3)));
    assert_eq!(spy.0.lock().unwrap()[0].0, [false, false, true]);
    Ok(())
}

#[test]
fn transformed_functions_are_shared_between_threads() {
    fn check<T: Send + Sync + Clone>(_: &T) {}
    check(&jit(update));
}
