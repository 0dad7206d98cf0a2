"""The school nurse, class teacher or kindergarten teacher: a class told in under a minute, on a phone."""
