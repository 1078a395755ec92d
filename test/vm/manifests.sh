# Sourced by jobs: manifests, on standard output.
document() { printf -- '---\napiVersion: v1beta1\nkind: %s\nmetadata: { name: %s }\n' "$1" "$2"; }
cell() { # NAME SPACE STACK SPEC: its containers follow
  document Cell "$1"
  printf 'spec:\n  id: %s\n  realmId: main\n  spaceId: %s\n  stackId: %s\n  %s\n  %s\n  containers:\n' "$1" "$2" "$3" "$4" "${runtime:+runtime: $runtime}"
}
