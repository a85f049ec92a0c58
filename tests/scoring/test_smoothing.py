import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import references
from thrifty.scoring.smoothing import gaussian_weights, smooth
from thrifty.timeline import Timeline
from thrifty.types import Record


def timeline(videos: list[str | None], places: list[int]) -> Timeline:
    return Timeline.of(
        [
            Record(str(index), "x", 1, 1, video, None if video is None else place)
            for index, (video, place) in enumerate(zip(videos, places, strict=True))
        ]
    )


_frames = st.lists(
    st.tuples(st.sampled_from([None, "a", "b"]), st.integers(0, 30), st.floats(0, 5)),
    unique_by=lambda frame: (frame[0], frame[1]),
    max_size=30,
)


@given(_frames, st.integers(0, 6), st.floats(0.5, 5))
def test_equals_the_loop_written_reference(
    frames: list[tuple[str | None, int, float]], reach: int, sigma: float
) -> None:
    videos, places, scores = (
        [list(column) for column in zip(*frames, strict=True)] if frames else ([], [], [])
    )
    weights = gaussian_weights(reach, sigma)
    result = smooth(np.array(scores), timeline(videos, places), weights)
    np.testing.assert_allclose(
        result, references.smooth(scores, videos, places, weights.tolist()), atol=1e-9
    )


def test_nothing_is_read_across_the_border_of_a_video() -> None:
    result = smooth(np.array([0.0, 9.0]), timeline(["a", "b"], [0, 1]), gaussian_weights())
    assert result.tolist() == [0.0, 9.0]


def test_hand_computed_neighbours() -> None:
    result = smooth(
        np.array([0.0, 4.0, 0.0]), timeline(["a"] * 3, [0, 1, 2]), np.array([1.0, 2.0, 1.0])
    )
    assert result.tolist() == pytest.approx([4 / 3, 2.0, 4 / 3])


def test_released_weights_have_eleven_taps() -> None:
    weights = gaussian_weights()
    assert len(weights) == 11
    assert weights[5] == 1
    assert weights[0] == pytest.approx(np.exp(-25 / 18))
