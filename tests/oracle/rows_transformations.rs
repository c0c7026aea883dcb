//! Rows for the transformations with their options, with the functions of `families/transformations.py`.

use raxla::api::{
    Argnum, GradOptions, JvpOptions, VmapOptions, fwd_and_bwd_with, grad_with, hessian_with, jacfwd_with,
    jacrev_with, jvp_with, linear_transpose, linearize_with, value_and_grad_with, vjp_with, vmap_with,
};
use raxla::custom_batching::{custom_vmap, sequential_vmap};
use raxla::custom_derivatives::{closure_convert, custom_gradient, with_gradient};
use raxla::{Array, DType, Pytree, Result, grad, jvp, lax, numpy as jnp, tree, vmap};

use crate::case::{Params, Row};

fn product(x: &Array, n: &Array, y: &Array) -> Array {
    jnp::sum(lax::sin(x) * n * y, ..)
}

fn leaves<T: Pytree>(tree: T) -> Vec<Array> {
    tree::leaves(&tree)
}

fn gradient(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let (x, n, y) = (&a[0], &a[1], &a[2]);
    let second = GradOptions::argnum::<2>();
    match p.str("body") {
        "plain" => Ok(vec![grad(product)(x, n, y)?]),
        "argnum" => Ok(vec![grad_with(product, second)(x, n, y)?]),
        "tuple" => {
            let both = GradOptions::argnums((Argnum::<2>, Argnum::<0>));
            grad_with(product, both)(x, n, y).map(leaves)
        }
        "one" => grad_with(product, GradOptions::argnums((Argnum::<2>,)))(x, n, y).map(leaves),
        "int" => Ok(vec![grad_with(product, GradOptions::argnum::<1>())(x, n, y)?]),
        "allow_int" => {
            let both = GradOptions::argnums((Argnum::<0>, Argnum::<1>)).allow_int(true);
            let (dx, dn) = grad_with(product, both)(x, n, y)?;
            assert_eq!((dn.dtype(), dn.shape()), (DType::Float0, n.shape()));
            Ok(vec![dx])
        }
        "aux" => {
            let both = GradOptions::argnums((Argnum::<0>, Argnum::<2>)).has_aux();
            let f = |x: &Array, n: &Array, y: &Array| (product(x, n, y), (x + y, n.clone()));
            grad_with(f, both)(x, n, y).map(leaves)
        }
        _ => {
            let f = |x: &Array, n: &Array, y: &Array| -> Result<Array> {
                Ok(jnp::sum(grad_with(product, GradOptions::argnum::<2>())(x, n, y)?, ..))
            };
            Ok(vec![grad(f)(x, n, y)?])
        }
    }
}

fn value_and_gradient(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let (x, n, y) = (&a[0], &a[1], &a[2]);
    if p.str("body") == "tuple" {
        let both = GradOptions::argnums((Argnum::<0>, Argnum::<2>));
        return value_and_grad_with(product, both)(x, n, y).map(leaves);
    }
    let f = |x: &Array, n: &Array, y: &Array| (product(x, n, y), x * y);
    value_and_grad_with(f, GradOptions::argnum::<2>().has_aux())(x, n, y).map(leaves)
}

fn complex_gradient(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let slope = match p.str("body") {
        "real" => grad(|z: &Array, w: &Array| jnp::sum(jnp::abs(z) * jnp::real(w), ..))(&a[0], &a[1]),
        body => {
            let f = |z: &Array, w: &Array| jnp::sum(lax::sin(z) * w, ..);
            grad_with(f, GradOptions::new().holomorphic(body == "holomorphic"))(&a[0], &a[1])
        }
    };
    Ok(vec![slope?])
}

macro_rules! jacobian {
    ($transform:ident) => {
        |a: &[Array], p: &Params| -> Result<Vec<Array>> {
            let (x, y) = (&a[0], &a[1]);
            let f = |x: &Array, y: &Array| jnp::expand_dims(lax::sin(x), 1) * y;
            match p.str("body") {
                "tuple" => {
                    let both = GradOptions::argnums((Argnum::<0>, Argnum::<1>));
                    $transform(f, both)(x, y).map(leaves)
                }
                "aux" => {
                    let first = GradOptions::argnums((Argnum::<0>,)).has_aux();
                    $transform(|x: &Array, y: &Array| (f(x, y), x + 1.5), first)(x, y).map(leaves)
                }
                "holomorphic" => Ok(vec![$transform(f, GradOptions::new().holomorphic(true))(x, y)?]),
                _ => Ok(vec![$transform(f, GradOptions::argnum::<1>())(x, y)?]),
            }
        }
    };
}

fn second_derivative(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let (x, y) = (&a[0], &a[1]);
    let f = |x: &Array, y: &Array| jnp::sum(x * x * x * y, ..);
    let options = GradOptions::new();
    match p.str("body") {
        "vector" => Ok(vec![hessian_with(|x: &Array, y: &Array| x * x * y, options)(x, y)?]),
        "aux" => {
            let f = |x: &Array, y: &Array| (f(x, y), y.clone());
            hessian_with(f, GradOptions::argnum::<1>().has_aux())(x, y).map(leaves)
        }
        body => Ok(vec![hessian_with(f, options.holomorphic(body == "holomorphic"))(x, y)?]),
    }
}

fn with_aux(x: &Array, y: &Array) -> (Array, Array) {
    (lax::sin(x) * y, x + y)
}

fn transposed(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let f = |x: &Array, y: &Array| match p.str("body") {
        "linear" => jnp::sum(x * 2.0 + jnp::flip(y, ..), 0),
        "product" => jnp::sum(x * y, 0),
        "constant" => jnp::sum(x, 0) + 1.0,
        _ => jnp::sum(x, 0).astype(DType::I32),
    };
    linear_transpose(f, (&a[0], &a[1]))?(&a[2]).map(leaves)
}

fn mapped(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let f = |x: &Array, (y, z): &(Array, Array)| (x * y, jnp::sum(z, ..));
    let options = VmapOptions::new();
    let out = options.clone().in_axes((0, (0, None)));
    let options = match p.str("body") {
        "all" => options.in_axes((0, 0)),
        "none" => options.in_axes((0, None)),
        "tree" => options.in_axes((1, (None, 0))),
        "last" => options.in_axes((None, (-1, 0))),
        "deep" => options.in_axes((0, (0, (0,)))),
        "few" => options.in_axes((0,)),
        "out of range" => options.in_axes((3, None)),
        "nothing" => options.in_axes((None, None)),
        "one" => options.in_axes(1),
        "out" => out.out_axes((1, 0)),
        "out all" => out.out_axes(-1),
        "out last" => out.out_axes((-1, -1)),
        "out none" => out.out_axes((0, None)),
        "out few" => out.out_axes((0,)),
        _ => out.out_axes((None, 0)),
    };
    vmap_with(f, options)(&a[0], &(a[1].clone(), a[2].clone())).map(leaves)
}

fn both() -> GradOptions<(Argnum<0>, Argnum<1>)> {
    GradOptions::argnums((Argnum::<0>, Argnum::<1>))
}

fn own_gradient(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let (x, y) = (&a[0], &a[1]);
    let f = custom_gradient(|x: &Array, y: &Array| {
        let z = lax::sin(x);
        with_gradient(&z * y, |ct: Array| (&ct * &z, ct + y))
    });
    let of = f.clone();
    let slopes =
        grad_with(move |x: &Array, y: &Array| -> Result<Array> { Ok(jnp::sum(of(x, y)?, ..)) }, both());
    match p.str("body") {
        "value" => Ok(vec![f(x, y)?]),
        "grad" => slopes(x, y).map(leaves),
        "vmap" => vmap_with(slopes, VmapOptions::new().in_axes((0, None)))(x, &y.index(0)).map(leaves),
        _ => {
            let sum = |x: &Array, y: &Array| -> Result<Array> {
                let (dx, dy) = slopes(x, y)?;
                Ok(jnp::sum(dx, ..) + jnp::sum(dy, ..))
            };
            grad_with(sum, both())(x, y).map(leaves)
        }
    }
}

fn converted(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let f = |x: &Array, y: &Array| -> Result<Array> {
        let (f, captured) = closure_convert(|z: &Array| lax::sin(z) * y + 2.0 * x, (x,))?;
        f(&(x.clone(),), &captured)
    };
    match p.str("body") {
        "value" => Ok(vec![f(&a[0], &a[1])?]),
        _ => {
            let sum = |x: &Array, y: &Array| -> Result<Array> { Ok(jnp::sum(f(x, y)?, ..)) };
            grad_with(sum, both())(&a[0], &a[1]).map(leaves)
        }
    }
}

fn passes(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    fn f(x: &Array, n: &Array, y: &Array) -> Array {
        lax::sin(x) * n * y
    }
    let (x, n, y, ct) = (&a[0], &a[1], &a[2], &a[3]);
    if p.str("body") == "aux" {
        let options = GradOptions::argnums((Argnum::<0>, Argnum::<2>)).has_aux();
        let (fwd, bwd) = fwd_and_bwd_with(|x: &Array, n: &Array, y: &Array| (f(x, n, y), x + y), options);
        let (z, residuals, aux) = fwd(x, n, y)?;
        return Ok([vec![z, aux], leaves(bwd(&residuals, ct)?)].concat());
    }
    let (fwd, bwd) = fwd_and_bwd_with(f, GradOptions::argnum::<2>());
    let (z, residuals) = fwd(x, n, y)?;
    Ok(vec![z, bwd(&residuals, ct)?])
}

fn own_vmap(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let (x, y) = (&a[0], &a[1]);
    let f = custom_vmap(
        |x: &Array, y: &Array| lax::sin(x) * y,
        |_, (of_x, of_y): (Array, Array), (x, y): (Array, Array)| -> Result<(Array, Array)> {
            Ok((lax::cos(&x) + y, Array::from(of_x.truth()? || of_y.truth()?)))
        },
    );
    let options = VmapOptions::new();
    let forward = |x: &Array, y: &Array, dx: &Array| jvp(&f, (x, y), (dx, y));
    match p.str("body") {
        "sequential" => {
            let f = sequential_vmap(|x: &Array, y: &Array| lax::sin(x) * y);
            Ok(vec![vmap(vmap(f))(x, y)?])
        }
        "value" => Ok(vec![f(x, y)?]),
        "both" => Ok(vec![vmap(f)(x, y)?]),
        "one" => {
            let column = lax::index_in_dim_with(y, 0, 1, lax::IndexInDimOptions::new().keepdims(false));
            Ok(vec![vmap_with(f, options.in_axes((1, None)).out_axes(1))(x, &column)?])
        }
        "jvp" => vmap(forward)(x, y, y).map(leaves),
        _ => vmap_with(forward, options.in_axes((0, 0, None)))(x, y, &y.index(0)).map(leaves),
    }
}

fn composed(a: &[Array], _: &Params) -> Result<Vec<Array>> {
    let options = lax::CompositeOptions::new().version(2);
    Ok(vec![lax::composite_with(|x: &Array, y: &Array| lax::sin(x) * y, "my.product", options)(
        &a[0], &a[1],
    )?])
}

fn of_platform(a: &[Array], p: &Params) -> Result<Vec<Array>> {
    let body = p.str("body");
    type Branch<'a> = (&'static str, &'a dyn Fn((Array, Array)) -> Array);
    let f = |x: &Array, y: &Array| {
        let all: [Branch<'_>; 3] =
            [("tpu", &|(x, y)| x + y), ("cpu", &|(x, y)| lax::sin(&x) * y), ("default", &|(x, y)| x - y)];
        let without = match body {
            "none" => "cpu",
            "other" => "default",
            _ => "",
        };
        let given: Vec<Branch<'_>> = all.into_iter().filter(|(name, _)| *name != without).collect();
        lax::platform_dependent((x.clone(), y.clone()), &given)
    };
    let (x, y) = (&a[0], &a[1]);
    match body {
        "grad" => {
            let sum = |x: &Array, y: &Array| -> Result<Array> { Ok(jnp::sum(f(x, y)?, ..)) };
            grad_with(sum, both())(x, y).map(leaves)
        }
        "vmap" => Ok(vec![vmap_with(f, VmapOptions::new().in_axes((0, None)))(x, &y.index(0))?]),
        _ => Ok(vec![f(x, y)?]),
    }
}

macro_rules! rows {
    ($($name:literal: $body:expr),* $(,)?) => {
        &[$(Row { name: $name, call: |a, p| $body(a, p).unwrap() }),*]
    };
}

pub const TRANSFORMATIONS: &[&[Row]] = &[rows! {
    "jax.grad": gradient,
    "jax.value_and_grad": value_and_gradient,
    "jax.grad of complex numbers": complex_gradient,
    "jax.jacfwd": jacobian!(jacfwd_with),
    "jax.jacrev": jacobian!(jacrev_with),
    "jax.hessian": second_derivative,
    "jax.jvp": |a: &[Array], _| {
        let aux = JvpOptions::new().has_aux();
        jvp_with(with_aux, (&a[0], &a[1]), (&a[2], &a[3]), aux).map(leaves)
    },
    "jax.vjp": |a: &[Array], _| -> Result<Vec<Array>> {
        let (out, pull, aux) = vjp_with(with_aux, (&a[0], &a[1]), JvpOptions::new().has_aux())?;
        Ok([vec![out, aux], leaves(pull(&a[2])?)].concat())
    },
    "jax.linearize": |a: &[Array], _| -> Result<Vec<Array>> {
        let (out, push, aux) = linearize_with(with_aux, (&a[0], &a[1]), JvpOptions::new().has_aux())?;
        Ok(vec![out, aux, push(&a[2], &a[3])?])
    },
    "jax.linear_transpose": transposed,
    "jax.vmap": mapped,
    "jax.custom_gradient": own_gradient,
    "jax.closure_convert": converted,
    "jax.fwd_and_bwd": passes,
    "jax.custom_vmap": own_vmap,
    "lax.composite": composed,
    "lax.platform_dependent": of_platform,
    "lax.dce_sink": |a: &[Array], _| -> Result<Vec<Array>> {
        lax::dce_sink(&(lax::sin(&a[0]), a[0].clone()));
        Ok(vec![lax::cos(&a[0])])
    },
}];
