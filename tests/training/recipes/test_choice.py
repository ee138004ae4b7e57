import dataclasses

import pytest
from small_model import SMALL

import keras_cabvit
from training.recipes import RECIPES
from training.recipes.choice import FIELDS, Images, Rate, Time, choose
from training.recipes.recipe import ModelOptions, Optimization, Recipe

FINETUNE = RECIPES["finetune"]
PHOTOGRAPHS = Images(3000, 300, 400)


def chosen(
    images=PHOTOGRAPHS,
    recipe=FINETUNE,
    fields=FIELDS,
    minutes=None,
    rate=50,
    seconds_before=0.0,
    seconds_per_checkpoint=0.0,
):
    """Chooses; images of 128 pixels are trained at `rate` per second, smaller ones faster."""

    def measured(recipe):
        height, width = recipe.model.image_size
        per_second = rate * 128 * 128 / (height * width)
        return Rate(per_second, seconds_before, seconds_per_checkpoint)

    time = None if minutes is None else Time(lambda: 60 * minutes, measured)
    return choose(recipe, fields, images, time)


def test_starts_from_the_weights_in_the_package():
    recipe, made = chosen()

    assert (recipe.model.variant, recipe.model.initial_weights) == ("CabViTH_T", "tiny_imagenet")
    assert recipe.model.image_size == (128, 128)
    assert {each.name for each in made} == set(FIELDS) - {"model.layer_scale_init"}
    assert all(each.reason for each in made)


@pytest.mark.parametrize(("count", "epochs"), [(100, 100), (3000, 40), (20_000, 12)])
def test_epochs_follow_from_the_number_of_images(count, epochs):
    assert chosen(Images(count, count // 10, 400))[0].epochs == epochs


@pytest.mark.parametrize(("count", "batch_size"), [(5, 5), (100, 16), (400, 32), (3000, 64)])
def test_batches_of_few_images_are_small_and_so_is_their_learning_rate(count, batch_size):
    recipe, _ = chosen(Images(count, 10, 400))

    assert recipe.batch_size == batch_size
    rate = chosen()[0].optimization.learning_rate
    assert recipe.optimization.learning_rate == pytest.approx(
        rate * (batch_size / 64) ** 0.5, rel=0.05
    )


@pytest.mark.parametrize(("side", "expected"), [(28, 64), (70, 96), (None, 128), (4000, 128)])
def test_small_images_are_not_enlarged_without_need(side, expected):
    assert chosen(Images(3000, 300, side))[0].model.image_size == (expected, expected)


def test_as_many_epochs_as_fit_into_the_time():
    recipe, _ = chosen(minutes=45)
    twice, _ = chosen(minutes=90)

    # 3,000 images and a scoring of 300 at 50 images/s are 62 s.
    assert 35 <= recipe.epochs <= 45
    assert 1.9 * recipe.epochs < twice.epochs < 2.3 * recipe.epochs
    assert recipe.model.image_size == twice.model.image_size == (128, 128)


def test_more_time_than_helps_is_said():
    recipe, made = chosen(minutes=10_000)
    (reason,) = (each.reason for each in made if each.name == "epochs")

    assert recipe.epochs == 3 * chosen()[0].epochs
    assert reason == "more would fit into the time, and change nothing"


def test_time_before_the_first_epoch_leaves_fewer_epochs():
    recipe, _ = chosen(minutes=45, seconds_before=620)

    assert chosen(minutes=45)[0].epochs - recipe.epochs == 10


def test_a_short_time_chooses_smaller_images():
    recipe, made = chosen(minutes=10)

    assert recipe.model.image_size == (64, 64)
    assert recipe.epochs >= 20
    assert [each.name for each in made].count("model.image_size") == 1


def test_size_that_is_given_stays():
    recipe, made = chosen(fields=set(FIELDS) - {"model.image_size"}, minutes=10)

    assert recipe.model.image_size == FINETUNE.model.image_size
    assert recipe.epochs < 10
    assert "model.image_size" not in {each.name for each in made}


def test_epochs_that_are_given_choose_the_size():
    fields = set(FIELDS) - {"epochs"}
    recipe = dataclasses.replace(FINETUNE, epochs=30)

    assert chosen(recipe=recipe, fields=fields, minutes=45)[0].model.image_size == (128, 128)
    assert chosen(recipe=recipe, fields=fields, minutes=25)[0].model.image_size == (96, 96)
    with pytest.raises(ValueError, match="too short for 30 epochs: give more --minutes"):
        chosen(recipe=recipe, fields=fields, minutes=5)


def test_time_without_an_epoch_gives_a_clear_error():
    with pytest.raises(ValueError, match="too short for one epoch: give more --minutes"):
        chosen(minutes=1)


def test_variant_without_weights_starts_anew():
    recipe = dataclasses.replace(FINETUNE, model=ModelOptions("CabViTH_S"))
    new, made = chosen(recipe=recipe, fields=set(FIELDS) - {"model.variant"})

    assert new.model.initial_weights is None
    assert new.model.layer_scale_init == 0.1
    assert new.optimization.layer_decay == 1
    assert "no weights of CabViTH_S" in made[0].reason


def test_weights_of_imagenet_in_the_cache_are_the_best(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_CABVIT_HOME", str(tmp_path))
    (tmp_path / "CabViTH_S_imagenet.weights.h5").write_bytes(b"")
    recipe, _ = chosen()

    assert (recipe.model.variant, recipe.model.initial_weights) == ("CabViTH_S", "imagenet")
    assert recipe.model.image_size == (224, 224)


def test_variant_and_size_follow_from_a_weights_file(tmp_path):
    model = keras_cabvit.CabViTP_T(input_shape=(160, 160, 3), classes=3)
    path = tmp_path / "model.weights.h5"
    keras_cabvit.weights.save_weights(model, path)
    options = dataclasses.replace(FINETUNE.model, initial_weights=str(path))
    recipe, _ = chosen(
        recipe=dataclasses.replace(FINETUNE, model=options),
        fields=set(FIELDS) - {"model.initial_weights"},
    )

    assert recipe.model.variant == "CabViTP_T"
    assert recipe.model.image_size == (160, 160)


def test_model_of_a_size_of_its_own_is_kept():
    recipe = Recipe(SMALL, Optimization(1e-3), epochs=3)
    fields = set(FIELDS) - {"model.variant"}

    assert chosen(recipe=recipe, fields=fields)[0].model.embed_dims == SMALL.embed_dims


def test_training_from_random_weights_takes_all_of_the_time():
    recipe = dataclasses.replace(RECIPES["tiny_imagenet"], epochs=3)
    new, made = chosen(recipe=recipe, fields={"epochs"}, minutes=10_000)

    assert new.epochs > 10 * FINETUNE.epochs
    assert [each.reason for each in made] == ["as many as fit into the time"]


def test_epochs_are_no_fewer_than_those_of_a_warm_up_that_is_given():
    recipe = dataclasses.replace(
        FINETUNE, optimization=dataclasses.replace(FINETUNE.optimization, warmup_epochs=4.5)
    )
    fields = set(FIELDS) - {"optimization.warmup_epochs", "model.image_size"}

    assert chosen(recipe=recipe, fields=fields, minutes=12)[0].epochs >= 5
    # Of 20,000 images, 12 epochs are usual, and 4 of them would do: smaller ones leave time for 5.
    many = {"images": Images(20_000, 2000, 400), "fields": {*fields, "model.image_size"}}
    found = chosen(recipe=recipe, minutes=36, **many)[0]
    assert found.model.image_size < (128, 128)
    assert found.epochs >= 5
    long = dataclasses.replace(recipe.optimization, warmup_epochs=15)
    assert chosen(recipe=dataclasses.replace(recipe, optimization=long), **many)[0].epochs == 15
    with pytest.raises(ValueError, match=r"too short for 5 epochs: .*--optimization.warmup-epochs"):
        chosen(recipe=recipe, fields=fields, minutes=5)


def test_accumulated_steps_count_for_the_learning_rate():
    halved = dataclasses.replace(
        FINETUNE,
        batch_size=32,
        optimization=dataclasses.replace(FINETUNE.optimization, accumulation_steps=2),
    )
    rate = chosen(recipe=halved, fields=set(FIELDS) - {"batch_size"})[0].optimization.learning_rate

    assert rate == chosen()[0].optimization.learning_rate


def test_time_of_each_measurement_is_taken_off():
    left = [60 * 20.0]

    def measured(recipe):
        left[0] -= 300
        height, width = recipe.model.image_size
        return Rate(50 * 128 * 128 / (height * width))

    recipe, _ = choose(FINETUNE, FIELDS, PHOTOGRAPHS, Time(lambda: left[0], measured))
    measurements = (60 * 20 - left[0]) / 300
    assert measurements >= 2
    assert recipe.model.image_size == chosen(minutes=20 - 5 * measurements)[0].model.image_size
    assert recipe.epochs == chosen(minutes=20 - 5 * measurements)[0].epochs


def test_checkpoints_of_every_epoch_take_of_the_time():
    images = Images(100, 10, 400)
    model = dataclasses.replace(FINETUNE.model, initial_weights=None)
    recipe = dataclasses.replace(FINETUNE, model=model)
    fields = {"epochs"}  # of layers that are all new: as many as fit
    without, _ = chosen(images, recipe, fields, minutes=60)
    epoch = (100 + 0.35 * 10) / 50

    recipe, _ = chosen(images, recipe, fields, minutes=60, seconds_per_checkpoint=2 * epoch)
    assert recipe.epochs == pytest.approx(without.epochs / 5, rel=0.01)


@pytest.mark.parametrize("minutes", [None, 10])
def test_several_sizes_that_are_given_decide_the_image_size(minutes):
    model = dataclasses.replace(FINETUNE.model, image_sizes=(64, 96))
    recipe, made = chosen(recipe=dataclasses.replace(FINETUNE, model=model), minutes=minutes)

    assert recipe.model.image_size == (96, 96)
    assert "model.image_size" not in {each.name for each in made}
