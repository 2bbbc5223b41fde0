#!/bin/bash
# The studies behind validation_results.md: validation.sh DATA STUDIES, from the repository's root.
# Rows that are there are kept, so it can be stopped and started again; then
# python Tools/results_page.py STUDIES. About an hour and a half on one free core (two more with
# clapirn, whose weights have to be installed).
set -e
data=$1 out=$2 brain=$1/brain_t1_inter lung=$1/lung_ct_followup
mkdir -p "$out"
export OMP_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1
declare -A image=([brain]=$brain/subA_t1.nii.gz [lung]=$lung/baseline.mha
                  [abdomen]=$data/abdomen_ct_ts/ct.nii.gz)
declare -A labels=([brain]=$brain/subA_seg.nii.gz [lung]=$lung/baseline_mask.mha
                   [abdomen]=$data/abdomen_ct_ts/seg104.nii.gz)
declare -A other=([brain]=$brain/subC_aligned_t1.nii.gz [lung]=$lung/followup.mha)
demons='{"voxels": 60000}' small='{"voxels": 40000, "affine": false}'
convexadam='{"voxels": 60000, "iterations": 40}'

evaluate() { python -m UncertainRegLib evaluate "$@" --device cpu; }

known_warp() {  # image, backbone, its settings, pairs of every kind, truths
  evaluate known-warp --image "${image[$1]}" --labels "${labels[$1]}" --name "$1" \
    --backbone "$2" --backbone-settings "$3" --warps "$4" --truths "${@:5}" --samples 10 \
    --families translation shear scale deform mixture --out "$out/$1-$2" \
    ${other[$1]:+--truth-moving "${other[$1]}"}
}

for name in brain lung abdomen; do
  known_warp $name demons "$demons" 1 elastic affine translation ${other[$name]:+registration}
done
known_warp abdomen demons "$demons" 1 elastic2
for name in lung abdomen; do
  known_warp $name convexadam "$convexadam" 1 elastic affine translation
done

for name in brain lung abdomen; do
  evaluate anatomy --image "${image[$name]}" --name $name --cases resection truncation --warps 2 \
    --families deform --samples 10 --backbone-settings "$small" --out "$out/anatomy-$name"
done

brain_labels=(--fixed-labels "$brain/subA_seg13.nii.gz"
              --moving-labels "$brain/subC_aligned_seg13.nii.gz")
evaluate labels --fixed "${image[brain]}" --moving "${other[brain]}" --name brain \
  "${brain_labels[@]}" --families deform --samples 16 --backbone-settings '{"voxels": 200000}' --out "$out/labels-brain"

# landmarks_lps.csv holds both sides: one file each
for side in baseline:2 followup:5; do
  column=${side#*:}
  { echo label,x,y,z; tail -n +2 "$lung/landmarks_lps.csv" | tr -d '\r' |
    cut -d, -f1,$column-$((column + 2)); } > "$out/${side%:*}.csv"
done

pair() {  # name of the result, image, backbone, its settings, then options of run
  if [ ! -e "$out/pair-$1/result.json" ]; then
    python -m UncertainRegLib run --fixed "${image[$2]}" --moving "${other[$2]}" --samples 16 \
      --backbone "$3" --parameters "{\"backbone\": $4}" --device cpu --out "$out/pair-$1" "${@:5}"
  fi
}

pair lung lung demons '{"voxels": 100000}' \
  --fixed-mask "$lung/baseline_mask.mha" --moving-mask "$lung/followup_mask.mha" \
  --fixed-points "$out/baseline.csv" --moving-points "$out/followup.csv"
pair brain brain demons "$small"
for name in lung brain; do
  python -m UncertainRegLib evaluate calibrate "$out/pair-$name" --warps 3
done
python -m UncertainRegLib evaluate result "$out/pair-lung"

if python -m UncertainRegLib backbones list | grep -q "clapirn.*ready"; then
  known_warp brain clapirn '{"affine": false}' 3 elastic elastic2
  pair brain-clapirn brain clapirn '{"affine": false}' "${brain_labels[@]}"
  python -m UncertainRegLib evaluate result "$out/pair-brain-clapirn"
fi
