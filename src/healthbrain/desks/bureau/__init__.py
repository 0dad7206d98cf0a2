"""The county on one page: which institutions feed, who is enrolled and controlled where, what is overdue by team."""
