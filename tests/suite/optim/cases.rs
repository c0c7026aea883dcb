//! Optimisers, schedules and losses by the names that the fixture has.

use raxla::optim::{self, *};
use raxla::prelude::*;
use raxla::{numpy as jnp, random};

pub type Make<T> = (&'static str, fn() -> T);

pub fn rate() -> Schedule {
    warmup_cosine_decay_schedule(0.0, 0.1, 3, 8)
}

pub fn is_matrix(_: &str, param: &Array) -> bool {
    param.ndim() > 1
}

pub const OPTIMIZERS: &[Make<GradientTransformation>] = &[
    ("adabelief", || adabelief(0.1)),
    ("adabelief nesterov", || adabelief_with(0.1, AdabeliefOptions::new().nesterov(true))),
    ("adadelta", || adadelta(0.1)),
    ("adadelta decay", || {
        let options =
            AdadeltaOptions::new().rho(0.8).eps(1e-5).weight_decay(0.1).weight_decay_mask(is_matrix);
        adadelta_with(0.1, options)
    }),
    ("adafactor", || adafactor_with(AdafactorOptions::new().learning_rate(0.1).min_dim_size_to_factor(3))),
    ("adafactor decay", || {
        let options = AdafactorOptions::new().min_dim_size_to_factor(2).momentum(0.9).weight_decay_rate(0.1);
        adafactor_with(options.weight_decay_mask(is_matrix))
    }),
    ("adagrad", || adagrad(0.1)),
    ("adam", || adam(0.1)),
    ("adam constants", || adam_with(rate(), AdamOptions::new().b1(0.8).b2(0.95).eps(1e-3).eps_root(1e-4))),
    ("adam mu_dtype", || adam_with(0.1, AdamOptions::new().mu_dtype(DType::BF16))),
    ("nadam", || nadam(0.1)),
    ("adamax", || adamax(0.1)),
    ("adamaxw", || adamaxw_with(0.1, AdamaxWOptions::new().weight_decay(0.1))),
    ("adamw", || adamw_with(0.1, AdamWOptions::new().weight_decay(0.1))),
    ("adamw mask", || {
        adamw_with(rate(), AdamWOptions::new().weight_decay(0.1).mask(|path, _| path.ends_with("kernel")))
    }),
    ("nadamw", || nadamw(0.1)),
    ("adan", || adan_with(0.1, AdanOptions::new().weight_decay(0.1))),
    ("amsgrad", || amsgrad(0.1)),
    ("amsgrad bias", || {
        amsgrad_with(0.1, AmsgradOptions::new().bias_correction_mu(false).bias_correction_nu(false))
    }),
    ("fromage", || fromage(0.1)),
    ("fromage schedule", || fromage(rate())),
    ("lamb", || lamb_with(0.1, LambOptions::new().weight_decay(0.1))),
    ("lars", || lars_with(0.1, LarsOptions::new().weight_decay(0.1).trust_coefficient(0.1))),
    ("lars mask", || {
        let options = LarsOptions::new().weight_decay(0.1).nesterov(true);
        lars_with(0.1, options.weight_decay_mask(is_matrix).trust_ratio_mask(is_matrix))
    }),
    ("lion", || lion(0.1)),
    ("noisy_sgd", || noisy_sgd(0.1, &random::key(3))),
    ("novograd", || novograd_with(0.1, NovogradOptions::new().weight_decay(0.1))),
    ("optimistic_gradient_descent", || {
        optimistic_gradient_descent_with(0.1, OptimisticGradientDescentOptions::new().alpha(0.9).beta(0.7))
    }),
    ("optimistic_adam_v2", || optimistic_adam_v2(0.1)),
    ("radam", || radam(0.1)),
    ("radam nesterov", || radam_with(0.1, RadamOptions::new().b2(0.9).nesterov(true))),
    ("rmsprop", || rmsprop(0.1)),
    ("rmsprop centered", || {
        let options = RmspropOptions::new().centered(true).momentum(0.9).nesterov(true).initial_scale(0.1);
        rmsprop_with(0.1, options)
    }),
    ("rmsprop bias", || rmsprop_with(0.1, RmspropOptions::new().eps_in_sqrt(false).bias_correction(true))),
    ("rprop", || rprop(0.1)),
    ("sgd", || sgd(0.1)),
    ("sgd momentum", || sgd_with(rate(), SgdOptions::new().momentum(0.9))),
    ("sgd nesterov", || sgd_with(0.1, SgdOptions::new().momentum(0.9).nesterov(true))),
    ("sign_sgd", || sign_sgd(0.1)),
    ("signum", || signum(0.1)),
    ("sm3", || sm3(0.1)),
    ("yogi", || yogi(0.1)),
    ("adaptive_grad_clip", || adaptive_grad_clip(0.1)),
    ("add_decayed_weights", || add_decayed_weights(rate())),
    ("apply_every", || apply_every(3)),
    ("centralize", centralize),
    ("clip", || clip(0.5)),
    ("clip_by_block_rms", || clip_by_block_rms(0.5)),
    ("clip_by_global_norm", || clip_by_global_norm(1.0)),
    ("ema", || ema(0.9)),
    ("keep_params_nonnegative", keep_params_nonnegative),
    ("normalize_by_update_norm", || {
        normalize_by_update_norm_with(UpdateNormOptions::new().scale_factor(2.0))
    }),
    ("scale_by_lion smooth", || {
        scale_by_lion_with(ScaleByLionOptions::new().mode(LionMode::Smooth { smooth_beta: 2.0 }))
    }),
    ("scale_by_lion refined", || scale_by_lion_with(ScaleByLionOptions::new().mode(LionMode::Refined))),
    ("scale_by_param_block_norm", || scale_by_param_block_norm(1e-3)),
    ("scale_by_param_block_rms", || scale_by_param_block_rms(1e-3)),
    ("trace", || trace(0.9)),
    ("zero_nans", zero_nans),
    ("chain", || {
        chain((clip_by_global_norm(1.0), adamw_with(rate(), AdamWOptions::new().weight_decay(0.1))))
    }),
    ("named_chain", || named_chain([("clip", clip(0.3)), ("adam", adam(0.1))])),
    ("masked", || masked(adam(0.1), is_matrix)),
    ("partition", || {
        let transforms = [("m", adam(0.1)), ("v", sgd_with(0.5, SgdOptions::new().momentum(0.9)))];
        partition(transforms, |_, param| if param.ndim() > 1 { "m" } else { "v" }.to_owned())
    }),
    ("apply_if_finite", || apply_if_finite(adam(0.1), 2)),
    ("conditionally_transform", || conditionally_transform(adam(0.1), |step| jnp::equal(step % 2, 1))),
    ("conditionally_mask", || conditionally_mask(adam(0.1), |step| jnp::not_equal(step % 3, 1))),
    ("multi_steps", || multi_steps(adam(0.1), 3)),
    ("multi_steps sum", || {
        let skip = SkipUpdates::Large { max_squared_norm: 30.0 };
        let options = MultiStepsOptions::new().use_grad_mean(false).should_skip_update_fn(skip);
        multi_steps_with(adam(rate()), |step: &Array| step + 1, options)
    }),
    ("inject_hyperparams", || {
        let adam = |h: &Hyperparams| {
            let options = AdamOptions::new().b1(h.get("b1")).b2(h.get("b2")).eps(h.get("eps"));
            adam_with(h.get("learning_rate"), options.eps_root(h.get("eps_root")))
        };
        let constants = [("b1", 0.8), ("b2", 0.999), ("eps", 1e-8), ("eps_root", 0.0)];
        let constants = constants.map(|(name, x)| (name, Schedule::from(x)));
        inject_hyperparams(adam, [("learning_rate", rate())].into_iter().chain(constants))
    }),
    ("flatten", || flatten(adam(0.1))),
    ("scale_by_factored_rms", || {
        scale_by_factored_rms_with(FactoredRmsOptions::new().min_dim_size_to_factor(2))
    }),
    ("normalize", normalize),
    ("sam", || sam(adam(0.1), chain((normalize(), sgd(0.05))))),
    ("muon", || muon_with(0.1, MuonOptions::new().weight_decay(0.1))),
    ("muon adaptive", || {
        muon_with(0.1, MuonOptions::new().nesterov(false).adaptive(true).consistent_rms(0.2))
    }),
    ("schedule_free", || schedule_free(sgd(rate()), rate())),
    ("schedule_free_sgd", || {
        schedule_free_sgd_with(0.5, ScheduleFreeBaseOptions::new().warmup_steps(3).weight_decay(0.1))
    }),
    ("schedule_free_adamw", || {
        schedule_free_adamw_with(0.1, ScheduleFreeBaseOptions::new().weight_decay(0.1))
    }),
    ("freeze", || chain((sgd(0.1), freeze(is_matrix)))),
];

pub const SCHEDULES: &[Make<Schedule>] = &[
    ("constant_schedule", || constant_schedule(0.3)),
    ("linear_schedule", || linear_schedule(1.0, 0.1, 7)),
    ("linear_schedule begin", || {
        linear_schedule_with(1.0, 0.1, 7, TransitionOptions::new().transition_begin(3))
    }),
    ("polynomial_schedule", || {
        polynomial_schedule_with(1.0, 0.1, 2.5, 9, TransitionOptions::new().transition_begin(2))
    }),
    ("piecewise_constant_schedule", || piecewise_constant_schedule(0.5, [(9, 0.1), (4, 2.0)])),
    ("piecewise_interpolate_schedule linear", || {
        piecewise_interpolate_schedule(Interpolation::Linear, 0.5, [(4, 2.0), (9, 0.1)])
    }),
    ("piecewise_interpolate_schedule cosine", || {
        piecewise_interpolate_schedule(Interpolation::Cosine, 0.5, [(4, 2.0), (9, 0.1)])
    }),
    ("exponential_decay", || exponential_decay(0.5, 4, 0.7)),
    ("exponential_decay options", || {
        let options = ExponentialDecayOptions::new().transition_begin(2).staircase(true).end_value(0.2);
        exponential_decay_with(0.5, 4, 0.7, options)
    }),
    ("exponential_decay growth", || {
        exponential_decay_with(0.5, 4, 1.5, ExponentialDecayOptions::new().end_value(1.0))
    }),
    ("cosine_decay_schedule", || cosine_decay_schedule(0.5, 12)),
    ("cosine_decay_schedule options", || {
        cosine_decay_schedule_with(0.5, 12, CosineDecayOptions::new().alpha(0.1).exponent(1.5))
    }),
    ("linear_onecycle_schedule", || linear_onecycle_schedule(15, 0.5)),
    ("cosine_onecycle_schedule", || {
        cosine_onecycle_schedule_with(15, 0.5, OnecycleOptions::new().pct_start(0.4).div_factor(10.0))
    }),
    ("warmup_constant_schedule", || warmup_constant_schedule(0.1, 0.5, 6)),
    ("warmup_cosine_decay_schedule", || warmup_cosine_decay_schedule(0.1, 0.5, 4, 15)),
    ("warmup_cosine_decay_schedule options", || {
        let options = WarmupCosineDecayOptions::new().end_value(0.05).exponent(2.0);
        warmup_cosine_decay_schedule_with(0.1, 0.5, 4, 15, options)
    }),
    ("warmup_exponential_decay_schedule", || warmup_exponential_decay_schedule(0.1, 0.5, 4, 3, 0.8)),
    ("sgdr_schedule", || {
        let second =
            CosineCycle::new(0.1, 0.3, 3, 9).options(WarmupCosineDecayOptions::new().end_value(0.05));
        sgdr_schedule([CosineCycle::new(0.0, 0.5, 2, 7), second])
    }),
    ("join_schedules", || {
        let parts = [constant_schedule(0.1), linear_schedule(1.0, 0.5, 3), constant_schedule(0.2)];
        join_schedules(parts, [3, 9])
    }),
];

/// Those that minimise a function, each at a rate that suits it.
pub const DESCENDING: &[Make<GradientTransformation>] = &[
    ("adabelief", || adabelief(0.1)),
    ("adadelta", || adadelta(30.0)),
    ("adagrad", || adagrad(1.0)),
    ("adam", || adam(0.1)),
    ("adamax", || adamax(0.1)),
    ("adamaxw", || adamaxw(0.1)),
    ("adamw", || adamw(0.1)),
    ("adan", || adan(0.1)),
    ("amsgrad", || amsgrad(0.1)),
    ("fromage", || fromage(exponential_decay(0.05, 50, 0.7))),
    ("lamb", || lamb(exponential_decay(0.1, 50, 0.6))),
    ("lars", || {
        optim::lars_with(exponential_decay(1.0, 50, 0.6), LarsOptions::new().trust_coefficient(0.02))
    }),
    ("lion", || lion(exponential_decay(0.1, 50, 0.6))),
    ("nadam", || nadam(0.1)),
    ("nadamw", || nadamw(0.1)),
    ("noisy_sgd", || noisy_sgd(0.05, &random::key(0))),
    ("novograd", || novograd(exponential_decay(0.1, 50, 0.7))),
    ("optimistic_gradient_descent", || optimistic_gradient_descent(0.1)),
    ("optimistic_adam_v2", || optimistic_adam_v2(0.1)),
    ("radam", || radam(0.1)),
    ("rmsprop", || rmsprop(exponential_decay(0.1, 50, 0.6))),
    ("rprop", || rprop(0.1)),
    ("sgd", || sgd(0.1)),
    ("sign_sgd", || sign_sgd(exponential_decay(0.1, 50, 0.6))),
    ("signum", || signum(exponential_decay(0.1, 50, 0.6))),
    ("sm3", || sm3(1.0)),
    ("yogi", || yogi(0.1)),
];

type Loss = fn(&[Array]) -> Array;

fn masked_options(mask: &Array) -> LossOptions {
    LossOptions::new().where_(mask)
}

/// Losses, and projections, which have the same form.
pub const LOSSES: &[(&str, Loss)] = &[
    ("squared_error", |x| squared_error(&x[0], &x[1])),
    ("l2_loss", |x| l2_loss(&x[0], &x[1])),
    ("huber_loss", |x| huber_loss(&x[0], &x[1])),
    ("huber_loss delta", |x| huber_loss_with(&x[0], &x[1], HuberOptions::new().delta(0.5))),
    ("log_cosh", |x| log_cosh(&x[0], &x[1])),
    ("cosine_similarity", |x| cosine_similarity(&x[0], &x[1])),
    ("cosine_distance mask", |x| {
        cosine_distance_with(&x[0], &x[1], CosineOptions::new().epsilon(1e-3).axis(0).where_(&x[2]))
    }),
    ("sigmoid_binary_cross_entropy", |x| sigmoid_binary_cross_entropy(&x[0], &x[1])),
    ("hinge_loss", |x| hinge_loss(&x[0], &x[1])),
    ("perceptron_loss", |x| perceptron_loss(&x[0], &x[1])),
    ("sparsemax_loss", |x| sparsemax_loss(&x[0], &x[1])),
    ("softmax_cross_entropy", |x| softmax_cross_entropy(&x[0], &x[1])),
    ("softmax_cross_entropy mask", |x| softmax_cross_entropy_with(&x[0], &x[1], masked_options(&x[2]))),
    ("softmax_cross_entropy axis", |x| softmax_cross_entropy_with(&x[0], &x[1], LossOptions::new().axis(0))),
    ("safe_softmax_cross_entropy", |x| safe_softmax_cross_entropy(&x[0], &x[1])),
    ("softmax_cross_entropy_with_integer_labels", |x| {
        softmax_cross_entropy_with_integer_labels(&x[0], &x[1])
    }),
    ("softmax_cross_entropy_with_integer_labels mask", |x| {
        softmax_cross_entropy_with_integer_labels_with(&x[0], &x[1], masked_options(&x[2]))
    }),
    ("softmax_cross_entropy_with_integer_labels axes", |x| {
        softmax_cross_entropy_with_integer_labels_with(&x[0], &x[1], LossOptions::new().axis((0, 2)))
    }),
    ("multiclass_hinge_loss", |x| multiclass_hinge_loss(&x[0], &x[1])),
    ("multiclass_perceptron_loss", |x| multiclass_perceptron_loss(&x[0], &x[1])),
    ("multiclass_sparsemax_loss", |x| multiclass_sparsemax_loss(&x[0], &x[1])),
    ("poly_loss_cross_entropy", |x| poly_loss_cross_entropy(&x[0], &x[1])),
    ("poly_loss_cross_entropy mask", |x| {
        poly_loss_cross_entropy_with(&x[0], &x[1], PolyLossOptions::new().epsilon(0.5).where_(&x[2]))
    }),
    ("sigmoid_focal_loss", |x| sigmoid_focal_loss(&x[0], &x[1])),
    ("sigmoid_focal_loss alpha", |x| {
        sigmoid_focal_loss_with(&x[0], &x[1], FocalLossOptions::new().alpha(0.3).gamma(1.5))
    }),
    ("smooth_labels", |x| smooth_labels(&x[0], 0.1)),
    ("smooth_labels mask", |x| smooth_labels_with(&x[0], 0.1, masked_options(&x[1]))),
    ("kl_divergence", |x| kl_divergence(&x[0], &x[1])),
    ("kl_divergence mask", |x| kl_divergence_with(&x[0], &x[1], masked_options(&x[2]))),
    ("kl_divergence_with_log_targets", |x| kl_divergence_with_log_targets(&x[0], &x[1])),
    ("generalized_kl_divergence", |x| generalized_kl_divergence(&x[0], &x[1])),
    ("ctc_loss", |x| ctc_loss(&x[0], &x[1], &x[2], &x[3])),
    ("ctc_loss_with_forward_probs", |x| ctc_loss_with_forward_probs(&x[0], &x[1], &x[2], &x[3]).2),
    ("ranking_softmax_loss", |x| ranking_softmax_loss(&x[0], &x[1])),
    ("ranking_softmax_loss mask", |x| {
        let options = RankingOptions::new().where_(&x[2]).weights(&x[3]).reduce_fn(ListReduction::None);
        ranking_softmax_loss_with(&x[0], &x[1], options)
    }),
    ("ntxent", |x| ntxent_with(&x[0], &x[1], NtxentOptions::new().temperature(0.5))),
    ("triplet_margin_loss", |x| triplet_margin_loss(&x[0], &x[1], &x[2])),
    ("dice_loss", |x| dice_loss(&x[0], &x[1])),
    ("dice_loss options", |x| {
        let options = DiceOptions::new().smooth(0.5).alpha(0.3).beta(0.7).reduction(Reduction::Sum);
        dice_loss_with(&x[0], &x[1], options.ignore_background(true))
    }),
    ("multiclass_generalized_dice_loss", |x| multiclass_generalized_dice_loss(&x[0], &x[1])),
    ("binary_dice_loss", |x| binary_dice_loss(&x[0], &x[1])),
    ("projection_simplex", |x| projection_simplex(&x[0], 1.0)),
    ("projection_l1_ball", |x| projection_l1_ball(&x[0], 2.0)),
    ("projection_l2_ball", |x| projection_l2_ball(&x[0], 2.0)),
    ("projection_halfspace", |x| projection_halfspace(&x[0], &x[1], 0.5)),
];

/// Those that ask for the value of the loss at points of their own.
pub const SEARCHES: &[Make<GradientTransformation>] = &[
    ("backtracking", || {
        let search = scale_by_backtracking_linesearch_with(20, BacktrackingOptions::new().store_grad(true));
        chain((sgd(1.0), search))
    }),
    ("zoom", || chain((sgd(1.0), scale_by_zoom_linesearch(15)))),
    ("lbfgs", lbfgs),
    ("reduce_on_plateau", || {
        let options = PlateauOptions::new().factor(0.5).patience(1).rtol(0.5).cooldown(1);
        chain((sgd(1e-3), reduce_on_plateau_with(options)))
    }),
    ("polyak_sgd", || polyak_sgd_with(PolyakOptions::new().max_learning_rate(0.01))),
];
