"""What an answer has streamed comes back whole, however it was given."""

from hypothesis import given
from hypothesis import strategies as st

from arinova_agent_sync.protocol.answer import StreamedText

CLEAN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.lists(CLEAN)))
def test_the_whole_is_the_sum_of_its_parts(batches):
    streamed = StreamedText()
    said = ""
    for batch in batches:
        streamed.add(batch, sum(map(len, batch)))
        said += "".join(batch)
        assert streamed.value() == said


def test_many_small_texts_and_a_few_large_ones_are_packed_in_order():
    streamed = StreamedText()
    texts = [f"{number}é" for number in range(3_000)]
    for text in texts:
        streamed.add((text,), len(text))
    large = ["a" * 100_000, "🙂" * 70_000]
    streamed.add(large, 170_000)
    assert streamed.value() == "".join(texts + large)
