//! Optimisers, schedules and losses by the names that the fixture has.

use raxla::optim::{self, *};
use raxla::prelude::*;
use raxla::random;

pub type Make<T> = (&'static str, fn() -> T);

fn rate() -> Schedule {
    warmup_cosine_decay_schedule(0.0, 0.1, 3, 8)
}

fn is_matrix(_: &str, param: &Array) -> bool {
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
