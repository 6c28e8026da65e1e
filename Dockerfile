# The image of every service of compose.yaml but PostgreSQL's.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 HOME=/data/person
RUN useradd --create-home --home-dir /data/person --uid 10001 desk && chown -R desk /data \
    && pip install --no-cache-dir uv==0.13.9
WORKDIR /app
COPY requirements.lock .
RUN uv pip install --system --no-cache --compile-bytecode --require-hashes -r requirements.lock
COPY . .
RUN uv pip install --system --no-cache --no-deps --no-build-isolation -e .
USER desk
VOLUME /data
CMD ["nightdesk", "--help"]
