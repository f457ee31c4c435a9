"""Did loan X arrive? What is known of single ids, from what the state directory keeps and from today's source."""
