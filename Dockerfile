# Tidemark: docker build -t tidemark .
# Two stages: the first compiles with everything that takes, the second holds what runs.

FROM node:20-bookworm-slim AS build
WORKDIR /src
# Manifests alone, so that a change of the sources does not install anew.
COPY package.json package-lock.json .npmrc ./
COPY proto/package.json proto/
COPY broker/package.json broker/
COPY client/package.json client/
COPY cli/package.json cli/
COPY scripts/package.json scripts/
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts && node scripts/image-tree.mjs /app

FROM node:20-bookworm-slim
# Owned by the user that runs, so that a fresh volume inherits it.
RUN install -d -o node -g node -m 0700 /var/lib/tidemark /var/lib/tidemark/data \
  && install -d /etc/tidemark \
  && ln -s /app/cli/bin/tidemark.js /usr/local/bin/tidemark
COPY --from=build /app /app
WORKDIR /app
ENV NODE_ENV=production TIDEMARK_LOG_DIRS=/var/lib/tidemark/data
USER node
EXPOSE 9192 9292 9392
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1s --timeout=15s --retries=20 --start-period=10s \
  CMD ["node", "/app/cli/bin/healthcheck.js", "", "2000", "8000"]
# Node itself is process 1: a shell or npm would swallow SIGTERM.
ENTRYPOINT ["node", "/app/cli/bin/tidemark.js"]
CMD ["server", "start"]
