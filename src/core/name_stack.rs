//! Names of the scopes that operations stand in. JAX: `source_info_util.NameStack`, `jax.named_scope`.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// The scopes that enclose an operation and the transformations that it went through, outermost first. It prints as in JAX:
/// `transpose(jvp(layer))/activation`.
#[derive(Clone, Default)]
pub struct NameStack(Option<Arc<Node>>);

struct Node {
    parent: NameStack,
    name: Name,
    depth: usize,
    /// Is a scope among them? Transformations alone say little.
    has_scope: bool,
}

#[derive(Clone)]
enum Name {
    Scope(Arc<str>),
    Transform(&'static str),
}

thread_local! {
    static CURRENT: RefCell<NameStack> = const { RefCell::new(NameStack(None)) };
}

impl NameStack {
    fn depth(&self) -> usize {
        self.0.as_ref().map_or(0, |node| node.depth)
    }

    fn push(&self, name: Name) -> NameStack {
        let has_scope = self.has_scope() || matches!(name, Name::Scope(_));
        NameStack(Some(Arc::new(Node { parent: self.clone(), name, depth: self.depth() + 1, has_scope })))
    }

    /// Does a scope enclose the operation?
    #[inline]
    pub fn has_scope(&self) -> bool {
        self.0.as_ref().is_some_and(|node| node.has_scope)
    }

    fn names(&self) -> Vec<&Name> {
        let (mut names, mut at) = (Vec::with_capacity(self.depth()), self);
        while let Some(node) = &at.0 {
            names.push(&node.name);
            at = &node.parent;
        }
        names.reverse();
        names
    }

    /// This one with `inner` inside.
    pub(crate) fn join(&self, inner: &NameStack) -> NameStack {
        match (&self.0, &inner.0) {
            (_, None) => self.clone(),
            (None, _) => inner.clone(),
            _ => inner.names().into_iter().fold(self.clone(), |stack, name| stack.push(name.clone())),
        }
    }

    /// Without its `depth` outermost names.
    fn inside(&self, depth: usize) -> NameStack {
        if depth == 0 {
            return self.clone();
        }
        let names = self.names().into_iter().skip(depth);
        names.fold(NameStack(None), |stack, name| stack.push(name.clone()))
    }

    /// Runs `body` inside of the present names and these.
    #[inline]
    pub(crate) fn enter<R>(&self, body: impl FnOnce() -> R) -> R {
        match self.0 {
            None => body(),
            Some(_) => with(current().join(self), body),
        }
    }
}

impl fmt::Display for NameStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A transformation stands around the outermost scope inside of it.
        let mut parts: Vec<String> = Vec::new();
        for name in self.names().into_iter().rev() {
            match (name, parts.last_mut()) {
                (Name::Scope(name), _) => parts.push(name.to_string()),
                (Name::Transform(name), Some(scope)) => *scope = format!("{name}({scope})"),
                (Name::Transform(name), None) => parts.push(format!("{name}()")),
            }
        }
        parts.reverse();
        f.write_str(&parts.join("/"))
    }
}

impl fmt::Debug for NameStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names are in force as long as this is there.
struct Entered {
    before: NameStack,
}

impl Entered {
    fn new(stack: NameStack) -> Self {
        Entered { before: CURRENT.replace(stack) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(std::mem::take(&mut self.before));
    }
}

fn with<R>(stack: NameStack, body: impl FnOnce() -> R) -> R {
    let _restore = Entered::new(stack);
    body()
}

fn current() -> NameStack {
    CURRENT.with_borrow(NameStack::clone)
}

/// The names that are in force, less the `outside` outermost; none if no scope is among them.
#[inline]
pub(crate) fn current_inside(outside: usize) -> NameStack {
    CURRENT.with_borrow(|stack| if stack.has_scope() { stack.inside(outside) } else { NameStack(None) })
}

/// How many names are in force.
pub(crate) fn depth() -> usize {
    CURRENT.with_borrow(NameStack::depth)
}

/// Runs `body` without names: what is traced apart has its own.
pub(crate) fn reset<R>(body: impl FnOnce() -> R) -> R {
    if depth() == 0 {
        return body();
    }
    with(NameStack(None), body)
}

/// Runs `body` as a part of a transformation.
pub(crate) fn transformed<R>(name: &'static str, body: impl FnOnce() -> R) -> R {
    with(current().push(Name::Transform(name)), body)
}

/// Runs `body`, whose operations have `name` in their places in the compiled program: profilers show it. JAX's
/// `jax.named_scope`.
///
/// Scopes nest, and transformations stand around them: `transpose(jvp(layer))/activation`.
///
/// ```
/// use raxla::{named_scope, numpy as jnp, prelude::*};
///
/// let layer = |w: &Array, x: &Array| {
///     let y = named_scope("dot_product", || jnp::dot(w, x));
///     named_scope("activation", || jnp::tanh(y))
/// };
/// let (w, x) = (Array::from([1.0f32, 2.0]), Array::from([0.5f32, 0.25]));
/// let text = jit(layer).lower()(&w, &x)?.as_text().to_owned();
/// assert!(text.contains("activation/tanh"));
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn named_scope<R>(name: impl AsRef<str>, body: impl FnOnce() -> R) -> R {
    with(current().push(Name::Scope(name.as_ref().into())), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_print_as_in_jax() {
        let mut seen = Vec::new();
        let mut look = || seen.push(current().to_string());
        look();
        named_scope("a", || {
            look();
            transformed("jvp", || {
                look();
                named_scope("b", || transformed("vmap", || named_scope("c", &mut look)));
            });
        });
        transformed("transpose", || transformed("jvp", &mut look));
        assert_eq!(seen, ["", "a", "a/jvp()", "a/jvp(b)/vmap(c)", "transpose(jvp())"]);
    }

    #[test]
    fn names_are_taken_apart_and_put_together() {
        let (outer, inner) = named_scope("a", || (current(), named_scope("b", || current_inside(1))));
        assert_eq!((outer.to_string(), inner.to_string()), ("a".into(), "b".into()));
        assert_eq!(outer.join(&inner).to_string(), "a/b");
        assert!(named_scope("a", || reset(|| current_inside(0))).0.is_none());
        let panicked =
            std::panic::catch_unwind(|| named_scope("a", || std::panic::resume_unwind(Box::new(1))));
        assert!(panicked.is_err() && depth() == 0);
    }
}
