from rmtlab.check import answer, function

SIZES = {"in_features": 3, "width": 4, "depth": 2, "out_features": 1}

CASES = {
    "answer": [
        (lambda: answer("mlp.parameter-counts", 1, **SIZES), "'mlp.parameter-count'"),
        (lambda: answer(3, 1), "exercise cannot be 3"),
        (lambda: answer("mlp.forward", 1), "check.function"),
        (lambda: answer("mlp.parameter-count", 1), "in_features, width, depth, out_features"),
        (lambda: answer("mlp.parameter-count", 1, **SIZES, bias=True), "takes the parameters"),
        (
            lambda: answer("mlp.parameter-count", 1, **(SIZES | {"width": "a"})),
            "exercise 'mlp.parameter-count' has no answer for in_features=3, width='a'",
        ),
        (
            lambda: answer(
                "mlp.variance-after-layers", 1, activation="tanhh", weight_var=1, bias_var=0, layers=1
            ),
            "'tanh'",
        ),
    ],
    "function": [
        (lambda: function("mlp.forwards", max), "'mlp.forward'"),
        (lambda: function("mlp.parameter-count", max), "check.answer"),
    ],
}

NOTHING_TO_REFUSE = {
    "Verdict": "answer and function make it",
    "exercises": "it takes no arguments",
}
