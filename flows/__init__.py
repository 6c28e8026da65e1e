"""When: what Prefect schedules."""

from nightdesk.settings import prepare_environment, settings

prepare_environment(settings())
