"""What counts as English left inside Chinese."""

import re
from typing import get_args

from cnnlab.architecture import BLOCKS, LAYERS
from cnnlab.architecture.rare import RARE
from cnnlab.data.augmentation import Augmentation
from cnnlab.data.known import KNOWN
from cnnlab.training.recipe import Recipe

# Latin words that stand in Chinese text as they are: names, and words that Chinese teachers leave in English.
ALLOWED = set(
    """
    CNN Lab MNIST CIFAR Fashion KMNIST EMNIST ImageNet LeNet AlexNet VGG MLP Keras PyTorch TensorFlow Captum
    Streamlit Plotly Python torch torchvision Adam AdamW Adagrad RMSprop SGD Nesterov ReLU LeakyReLU GELU Sigmoid Tanh sigmoid
    tanh Softmax softmax Conv Linear Dropout Grad CAM Guided Backprop DeepLift DeepLIFT Occlusion Saliency Input
    Gradient Integrated Gradients JSON PNG JPEG GIF WebP IDX URL ZIP GPU CPU PIN KB MB GB ms px npm tar gz zip pip
    exp log NaN LeCun Krizhevsky Hinton Simonyan Springenberg Selvaraju Shrikumar Sundararajan Zeiler Fergus Jordan Bengio Bottou Haffner Smith Topin Xiao Rasul Vollgraf Clanuwat Cohen
    arXiv et al Zalando Research Debian logit logits id vs Okabe Ito viridis
    Flatten MaxPool AvgPool AdaptiveAvgPool BatchNorm safetensors true false null
    Inception ResNet Sutskever Zisserman Szegedy Huang He Iandola Sandler Ma
    Webp WEBP BMP macOS Windows Linux cookie Netron Jupyter
    """.split()
)
# What a recipe, an augmentation and a layer call their fields and choices: an error names them as they are typed.
FIELDS = [*Recipe.model_fields.items(), *Augmentation.model_fields.items()]
KINDS = {**LAYERS, **BLOCKS, **RARE}
FIELDS += [item for layer in KINDS.values() for item in layer.model_fields.items()]
ALLOWED |= (
    {name for name, _info in FIELDS} | set(KINDS) | {layer.prefix for layer in KINDS.values()} | set(KNOWN) | {"view"}
)
ALLOWED |= {str(choice) for _name, info in FIELDS for choice in get_args(info.annotation) if isinstance(choice, str)}
CODE_LIKE = re.compile(r"[A-Za-z]*[_\d.=\[\]()/-][\w.=\[\]()/-]*|[A-Z]{2,}s?|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*")


def without_code(text: str) -> str:
    """Return ``text`` without what is not prose: code, formulas, links, tags, icons, places."""
    text = re.sub(r"\[[^\]]*\b(?:19|20)\d\d\b[^\]]*\]\(http[^)]*\)", " ", text)  # a paper, by its own title
    text = re.sub(r"<style>.*?</style>|:[a-z]+(?:-[a-z]+)?\[|```.*?```|\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"\b[A-Za-z_]\w*\s?(?:<=|>=|=|<|>)\s?(?=[\w{])|\b[a-z]+:(?=\S)|（[A-Za-z _-]+）|--[a-z-]+", " ", text)
    text = re.sub(r"`[^`]*`|\$[^$\n]*\$|\{[^}]*\}|https?://\S+|<[^>]*>|:material/\w+:|\]\([^)]*\)", " ", text)
    return text


def english_left(chinese: str, english: str = "") -> set[str]:
    """Return the Latin words of a Chinese text that are neither names nor code."""
    words = re.findall(r"[A-Za-z][\w.=/-]*", without_code(chinese))
    words = [word.rstrip(".-/") for word in words]
    return {word for word in words if len(word) > 1 and word not in ALLOWED and not CODE_LIKE.fullmatch(word)}
