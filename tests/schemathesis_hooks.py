"""What Schemathesis need not try."""

import schemathesis

# The longest texts that the document knows.
LIMITS = (128, 200, 254, 5_000)


def is_padded_beyond(value):
    """Texts are trimmed first: one that is too long only by the white space around it is not too long. A schema has no
    word for that."""
    if not isinstance(value, str):
        return False
    return any(len(value) > limit >= len(value.strip()) for limit in LIMITS)


@schemathesis.hook
def filter_body(context, body):
    return not (isinstance(body, dict) and any(is_padded_beyond(value) for value in body.values()))


@schemathesis.hook
def filter_query(context, query):
    return not any(is_padded_beyond(value) for value in (query or {}).values())
