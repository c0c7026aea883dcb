//! `optax.contrib`: what every optimiser of it must do, and what only some do.

use num_complex::Complex;
use raxla::nn::Params;
use raxla::optim::*;
use raxla::prelude::*;
use raxla::{lax, numpy as jnp, random};
use serde_json::Value;

use super::contrib_cases::{COMPLEX, CONTRIB, DESCENDING, PRIVATE};
use super::table::{
    Limit, batch_of_params, converges, difference, floats, limit, lines, made, over_ten_steps, step, values,
};
use crate::debug::printed_with;

fn fixture() -> Vec<Value> {
    lines(include_str!("../../fixtures/optim_contrib.jsonl"))
}

/// Compares those that Optax has of a dtype: how many.
fn contributed(dtype: &str) -> usize {
    let limit_of = |name: &str| match (name.split(' ').next(), limit(dtype)) {
        // The update is the way from the parameters to others, or as long as a difference of inner products with them says: jitted and
        // unjitted steps of Optax differ by up to 4e-5 of an update, and 3e-7 of the parameters.
        (Some("cocob" | "madgrad" | "mechanize" | "momo" | "momo_adam"), Limit::OfUpdate(limit)) => {
            Limit::OfParams(limit)
        }
        (_, limit) => limit,
    };
    over_ten_steps(fixture(), CONTRIB, dtype, true, limit_of)
}

#[test]
fn every_contributed_optimiser_is_what_optax_gives_over_ten_steps() {
    assert_eq!(contributed("float32"), CONTRIB.len());
}

#[test]
fn contributed_optimisers_of_16_bit_parameters_are_what_optax_gives() {
    assert!(contributed("bfloat16") > CONTRIB.len() * 3 / 4);
}

#[test]
fn contributed_optimisers_of_complex_parameters_are_what_optax_gives() {
    assert!(contributed("complex64") >= CONTRIB.len() / 3);
}

#[test]
fn every_contributed_optimiser_converges_in_one_loop() {
    converges(DESCENDING);
}

#[test]
fn gradients_of_examples_become_what_optax_makes_of_them() {
    let cases = fixture();
    let inputs = cases.iter().find(|case| case["kind"] == "private_inputs").unwrap();
    let first = batch_of_params("float32", &inputs["params"], None);
    let grads = inputs["grads"].as_array().unwrap().iter();
    let grads: Vec<Params> = grads.map(|g| batch_of_params("float32", g, Some(3))).collect();
    let private: Vec<&Value> = cases.iter().filter(|case| case["kind"] == "private").collect();
    assert_eq!(private.len(), PRIVATE.len());
    for case in private {
        let name = case["name"].as_str().unwrap();
        let tx = made(PRIVATE, name);
        let (mut params, mut state) = (first.clone(), tx.init(&first).unwrap());
        let structure = state.structure().clone();
        let step = step(&tx);
        for (grads, theirs) in grads.iter().zip(case["updates"].as_array().unwrap()) {
            let updates;
            (params, state, updates) = step(params, state, grads, 0.0).unwrap();
            assert_eq!(*state.structure(), structure, "{name}");
            for ((path, ours), theirs) in updates.iter().zip(theirs.as_array().unwrap()) {
                let difference = difference(&values(ours), &floats(theirs));
                assert!(difference < 2e-6, "{name}: {path}: {difference:e}");
            }
        }
    }
}

#[test]
fn private_gradients_are_the_first_of_a_chain_in_a_loop_of_their_own_noise() {
    let tx = named_chain([("private", dpsgd(0.1, 1.0, 1e-3, &random::key(0))), ("ema", ema(0.5))]);
    let params = jnp::zeros([3]);
    let train = jit(move |params: Array, state: OptState| -> Result<(Array, OptState)> {
        let body = |(params, state): (Array, OptState), _: Array| -> Result<_> {
            let target = Array::from([[1.0f32, 2.0, 3.0], [3.0, 2.0, 1.0]]);
            let loss = |w: &Array, x: &Array| jnp::square(w - x).sum(..);
            let grads = vmap_with(grad(loss), VmapOptions::new().in_axes((None, 0)))(&params, &target)?;
            let (updates, state) = tx.update(&grads, &state, &params)?;
            Ok(((apply_updates(&params, &updates), state), ()))
        };
        Ok(lax::scan(body, (params, state), jnp::arange(300))?.0)
    });
    let state = named_chain([("private", dpsgd(0.1, 1.0, 1e-3, &random::key(0))), ("ema", ema(0.5))]);
    let (params, _) = train(params.clone(), state.init(&params).unwrap()).unwrap();
    assert!(difference(&values(&params), &[2.0, 2.0, 2.0]) < 2e-2, "{params}");
    assert!(values(&params).iter().all(|x| *x != 2.0), "without noise: {params}");
}

#[test]
fn contributed_optimisers_descend_in_the_complex_plane() {
    let target = Array::from([Complex::new(1.0f32, -2.0), Complex::new(-0.5, 0.25)]);
    let loss = move |z: &Array| -> Result<Array> {
        let off = z - &target;
        Ok(jnp::real(&off * off.conj()).sum(..))
    };
    for (name, make) in COMPLEX {
        let (tx, loss_too) = (make(), loss.clone());
        let train = jit(move |z: Array, state: OptState| -> Result<(Array, OptState)> {
            let body = |(z, state): (Array, OptState), _: Array| -> Result<_> {
                let (value, grads) = value_and_grad(&loss_too)(&z)?;
                let args = ExtraArgs::new().value(value).value_fn(&loss_too);
                let (updates, state) = tx.update_with(&grads.conj(), &state, &z, args)?;
                Ok(((apply_updates(&z, &updates), state), ()))
            };
            Ok(lax::scan(body, (z, state), jnp::arange(400))?.0)
        });
        let z = Array::from([Complex::new(0.3f32, 0.4), Complex::new(0.2, -0.6)]);
        let first = loss(&z).unwrap().item::<f32>().unwrap();
        let (z, _) = train(z.clone(), make().init(&z).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let last = loss(&z).unwrap().item::<f32>().unwrap();
        assert!(last < 1e-2 * first, "{name}: {first} became {last}");
    }
}

#[test]
fn rates_are_not_found_where_gradients_are_zero() {
    for tx in [dadapt_adamw(), prodigy()] {
        let params = Array::from([1.0f32, 2.0]);
        let (updates, state) = tx.update(&jnp::zeros([2]), &tx.init(&params).unwrap(), &params).unwrap();
        assert_eq!(values(&updates), [0.0, 0.0], "{tx:?}");
        let (updates, _) = tx.update(&params, &state, &params).unwrap();
        assert!(values(&updates).iter().all(|x| *x < 0.0), "{tx:?}: {updates}");
    }
}

#[test]
fn the_means_of_ademamix_keep_the_dtype_that_they_are_given() {
    let half = ademamix_with(0.1, AdemamixOptions::new().mu_dtype(DType::BF16));
    let full = ademamix(0.1);
    let mut params = [Array::from([1.0f32, -2.0]), Array::from([1.0f32, -2.0])];
    let mut states = [half.init(&params[0]).unwrap(), full.init(&params[1]).unwrap()];
    for _ in 0..5 {
        for (i, tx) in [&half, &full].into_iter().enumerate() {
            let (updates, state) = tx.update(&params[i], &states[i], &params[i]).unwrap();
            params[i] = apply_updates(&params[i], &updates);
            states[i] = state;
        }
    }
    let names = ["m1", "m2", "nu"];
    let dtypes = names.map(|name| states[0].find(name).unwrap().leaves()[0].dtype());
    assert_eq!(dtypes, [DType::BF16; 3]);
    assert!(difference(&values(&params[0]), &values(&params[1])) < 1e-2, "{params:?}");
}

#[test]
fn mechanic_begins_at_the_parameters_of_the_first_step() {
    let tx = mechanize_with(sgd(1.0), MechanizeOptions::new().s_init(0.1));
    let state = tx.init(&Array::from([5.0f32])).unwrap();
    let params = Array::from([1.0f32]);
    let (updates, state) = tx.update(&params, &state, &params).unwrap();
    assert_eq!(values(&state.find("x0").unwrap().leaves()[0]), [1.0]);
    assert!(values(&updates)[0].abs() < 1.0, "{updates}");
}

#[test]
fn sophia_prints_which_part_of_its_steps_is_not_clipped() {
    let options = SophiaOptions::new().gamma(1.0).verbose(true).print_win_rate_every_n_steps(2);
    let tx = sophia_with(0.1, options.weight_decay(0.0));
    let loss = |x: &Array| -> Result<Array> { Ok((x * x).sum(..) / 2.0) };
    let step = jit(move |params: Array, state: OptState| -> Result<(Array, OptState)> {
        let grads = grad(loss)(&params)?;
        let (updates, state) = tx.update_with(&grads, &state, &params, ExtraArgs::new().value_fn(&loss))?;
        Ok((apply_updates(&params, &updates), state))
    });
    let begun = sophia_with(0.1, SophiaOptions::new()).init(&jnp::zeros([4])).unwrap();
    let (lines, ()) = printed_with(|| {
        // The diagonal becomes a hundredth of 1: of these, only a step of zero is not clipped.
        let (mut params, mut state) = (Array::from([100.0f32, -50.0, 0.0, 2.0]), begun);
        for _ in 0..4 {
            (params, state) = step(params, state).unwrap();
        }
        raxla::effects_barrier().unwrap();
    });
    let printed: Vec<&String> = lines.iter().filter(|line| line.contains("win rate")).collect();
    assert_eq!(printed, ["Sophia optimizer win rate: 0.25", "Sophia optimizer win rate: 0.25"]);
}

#[test]
fn real_parameters_beside_complex_ones_are_not_split() {
    let tx = split_real_and_imaginary(adam(0.1));
    let params = (Array::from([1.0f32]), Array::from([Complex::new(1.0f32, 2.0)]));
    let state = tx.init(&params).unwrap();
    let paths: Vec<String> = state.find("mu").unwrap().iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(paths, ["0", "1.real", "1.imaginary"]);
    let (updates, _) = tx.update(&params, &state, &params).unwrap();
    assert_eq!((updates.0.dtype(), updates.1.dtype()), (DType::F32, DType::C64));
}
