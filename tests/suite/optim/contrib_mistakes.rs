//! What goes wrong with optimisers of `optax.contrib`, and that it is said at the user's line.

use num_complex::Complex;
use raxla::optim::*;
use raxla::prelude::*;
use raxla::{numpy as jnp, random};

use super::mistakes::fails;

#[test]
fn constants_that_cannot_be_are_refused() {
    let refused = |f: fn() -> GradientTransformation, message: &str| {
        fails(raxla::try_(f), ErrorKind::InvalidArgument, message);
    };
    refused(|| acprop(-1.0), "scale_by_learning_rate: learning_rate = -1 is negative");
    refused(
        || adopt_with(0.1, AdoptOptions::new().eps(0.0)),
        "scale_by_adopt: eps = 0: requires a positive number",
    );
    refused(|| madgrad(-0.5), "scale_by_madgrad: learning_rate = -0.5 is negative");
    refused(
        || cocob_with(CocobOptions::new().eps(0.0)),
        "scale_by_cocob: eps = 0: requires a positive number",
    );
    refused(
        || dadapt_adamw_with(DadaptAdamWOptions::new().estim_lr0(0.0)),
        "dadapt_adamw: estim_lr0 = 0: requires a positive number",
    );
    refused(
        || prodigy_with(ProdigyOptions::new().betas((0.9, 1.0))),
        "prodigy: betas = (0.9, 1): requires numbers of at least 0 and less than 1",
    );
    refused(
        || prodigy_with(ProdigyOptions::new().learning_rate(-1.0)),
        "prodigy: learning_rate = -1 is negative",
    );
    refused(
        || dog_with(DogOptions::new().init_step(DogInitStep::Distance(-1.0))),
        "dog: init_step distance = -1: requires a positive number",
    );
    refused(
        || dowg_with(DowgOptions::new().init_estim_sq_dist(0.0)),
        "dowg: init_estim_sq_dist = 0: requires a positive number",
    );
    refused(
        || mechanize_with(sgd(1.0), MechanizeOptions::new().num_betas(0)),
        "mechanize: num_betas = 0: requires at least 1",
    );
    refused(
        || momo_with(MomoOptions::new().learning_rate(f64::NAN)),
        "momo: learning_rate = NaN is not finite",
    );
    refused(
        || sophia_with(0.1, SophiaOptions::new().update_interval(0)),
        "sophia: update_interval = 0: requires at least 1",
    );
    refused(
        || dpsgd(0.1, 0.0, 1.0, &random::key(0)),
        "differentially_private_aggregate: l2_norm_clip = 0: requires a positive number",
    );
    refused(
        || dpsgd(0.1, 1.0, -1.0, &random::key(0)),
        "differentially_private_aggregate: noise_multiplier = -1: requires a number of at least 0",
    );
}

#[test]
fn the_loss_and_the_function_are_asked_for_where_they_are_needed() {
    let params = Array::from([1.0f32, 2.0]);
    let missing = |tx: GradientTransformation, message: &str| {
        let state = tx.init(&params).unwrap();
        fails(tx.update(&params, &state, &params), ErrorKind::InvalidArgument, message);
    };
    missing(momo(), "momo: needs the loss: update_with(.., ExtraArgs::new().value(loss))");
    missing(momo_adam(), "momo_adam: needs the loss: update_with(.., ExtraArgs::new().value(loss))");
    let function = "hutchinson_estimator_diag_hessian: needs the function: update_with(.., ExtraArgs::new().value_fn(&f))";
    missing(hutchinson_estimator_diag_hessian(), function);
    missing(sophia(0.1), &format!("chain: scale_by_sophia: {function}"));
}

#[test]
fn complex_parameters_are_refused_by_those_that_look_at_signs_and_roots() {
    let z = Array::from([Complex::new(1.0f32, 2.0)]);
    fails(
        cocob().init(&z),
        ErrorKind::DType,
        "chain: scale_by_cocob: does not take complex parameters: c64[1] at the root: split_real_and_imaginary makes two real ones of each",
    );
    fails(
        madgrad(0.1).init(&z),
        ErrorKind::DType,
        "chain: scale_by_madgrad: does not take complex parameters: ",
    );
}

#[test]
fn gradients_that_are_not_of_examples_are_refused() {
    let tx = dpsgd(0.1, 1.0, 1.0, &random::key(0));
    let params = (Array::from([1.0f32, 2.0]), Array::from(1.0f32));
    let state = tx.init(&params).unwrap();
    fails(
        tx.update(&params, &state, &params),
        ErrorKind::Shape,
        "chain: differentially_private_aggregate: requires gradients of examples, with a leading axis of one size for them: \
         got f32[2] at 0, of a parameter f32[2]",
    );
    fails(
        tx.update(&(jnp::ones([3, 2]), jnp::ones([4])), &state, &params),
        ErrorKind::Shape,
        "chain: differentially_private_aggregate: requires gradients of examples, with a leading axis of one size for them: \
         got f32[4] at 1, of a parameter f32[]",
    );
    // What is before it gets gradients as it takes them, and says so.
    let later = chain((clip(1.0), dpsgd(0.1, 1.0, 1.0, &random::key(0))));
    let later_state = later.init(&params).unwrap();
    fails(
        later.update(&(jnp::ones([3, 2]), jnp::ones([3])), &later_state, &params),
        ErrorKind::Shape,
        "the gradients and the parameters: the trees differ in shape at 0: f32[3,2], and f32[2]",
    );
    fails(
        later.update(&params, &later_state, &params),
        ErrorKind::Shape,
        "chain: chain: differentially_private_aggregate: requires gradients of examples",
    );
}
